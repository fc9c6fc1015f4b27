"""Beat with rows of the database: what it sends, and what it leaves alone."""

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask
from kombu.exceptions import OperationalError as BrokerAway

from config.beat import LOOK_SECONDS, Beat
from config.beat_reader import Reader
from config.celery import app
from tests.flows import ordering
from workflows.models import Run
from workflows.services.scheduling import TASK
from workflows.tasks import start_run

pytestmark = pytest.mark.django_db(transaction=True)  # beat gives its connection back

Sent = list[tuple[str, dict[str, Any]]]


@pytest.fixture
def sent() -> Iterator[Callable[[], Sent]]:
    """What beat sent, taken out of its queues: (task, its keyword arguments)."""
    with app.connection_or_acquire() as broker:
        channel = broker.default_channel
        channel.queue_declare("relay")
        channel.queue_declare("default")
        channel.queue_purge("relay")
        channel.queue_purge("default")

        def take() -> Sent:
            found: Sent = []
            for queue in ("relay", "default"):
                while message := channel.basic_get(queue, no_ack=True):
                    found.append((message.headers["task"], json.loads(message.body)[1]))
            return [(task, kwargs) for task, kwargs in found if task != "workflows.run_step"]

        yield take


@pytest.fixture
def hourly(owner: User) -> PeriodicTask:
    """Every full hour; the last two have not been dealt with."""
    return PeriodicTask.objects.create(
        name="orders",
        task=TASK,
        kwargs=json.dumps({"workflow": ordering.name, "owner": "anna"}),
        crontab=CrontabSchedule.objects.create(minute="0"),
        last_run_at=last_hour() - timedelta(hours=2),
    )


def last_hour() -> datetime:
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0)


@pytest.fixture
def beat() -> Beat:
    return fresh_beat()


def fresh_beat() -> Beat:
    """As `celery beat` makes it, but for the thread: tests read when they want to."""
    beat = Beat(app, lazy=True)
    beat.setup_schedule()
    return beat


def look(beat: Beat, *, after: timedelta = timedelta(0), since: datetime | None = None) -> float:
    """At `since`, or now, and so much later."""
    beat.reader.read()
    return beat.send_rows((since or datetime.now(UTC)) + after)


def work(messages: Sent) -> None:
    for task, kwargs in messages:
        assert task == TASK
        start_run(**kwargs)


def test_a_schedule_that_is_due_is_pointed_at_and_starts_its_run(beat, hourly, sent):
    look(beat)

    messages = sent()
    assert messages == [(TASK, {"schedule": hourly.pk, "due_at": last_hour().isoformat()})]
    work(messages)
    assert Run.objects.get().owner.username == "anna"
    look(beat)
    assert sent() == []


def test_two_beats_and_a_restarted_one_start_one_run(beat, hourly, sent):
    look(beat)
    look(fresh_beat())
    work(sent())
    look(fresh_beat())

    assert sent() == []
    assert Run.objects.count() == 1


def test_a_message_that_is_lost_is_sent_again_after_waits_that_double(beat, hourly, sent):
    start = datetime.now(UTC)
    look(beat, since=start)
    assert len(sent()) == 1

    told = []
    for second in range(75):
        look(beat, since=start, after=timedelta(seconds=second))
        told += [second] * len(sent())
    assert told == [10, 30, 70]


def test_beat_writes_nothing_and_a_look_at_the_rows_is_one_query(beat, hourly, sent):
    with CaptureQueriesContext(connection) as captured:
        beat.reader.read()
    queries = [query["sql"] for query in captured if not query["sql"].startswith("PRAGMA")]
    assert [sql.split()[0] for sql in queries] == ["SELECT"]

    beat.schedule["sweep"].last_run_at -= timedelta(minutes=1)
    with CaptureQueriesContext(connection) as captured:
        for _ in range(5):
            beat.tick()
    assert not captured.captured_queries
    assert [task for task, _ in sent()] == ["workflows.sweep", TASK]
    assert [row.name for row in PeriodicTask.objects.all()] == ["orders"]


def test_what_was_read_outlives_a_database_that_is_away(beat, hourly, sent, caplog):
    beat.reader.read()

    def refuse(*_: Any) -> None:
        raise OperationalError("gone")

    with connection.execute_wrapper(refuse):
        for _ in range(3):
            look(beat)

    assert len(sent()) == 1
    assert caplog.text.count("schedules not read") == 1


def test_a_database_that_hangs_does_not_keep_the_sweeper_waiting(beat, sent):
    hangs = threading.Event()

    class Stuck(Reader):
        def read(self) -> None:
            hangs.wait()

    beat.reader = Stuck()
    beat.reader.start()
    try:
        beat.schedule["sweep"].last_run_at -= timedelta(minutes=1)
        beat.tick()
        assert [task for task, _ in sent()] == ["workflows.sweep"]
    finally:
        hangs.set()
        beat.close()


def test_an_edit_is_seen_and_a_disabled_schedule_rests(beat, hourly, sent):
    PeriodicTask.objects.update(enabled=False)
    look(beat)
    assert sent() == []

    PeriodicTask.objects.update(enabled=True)
    look(beat)
    assert len(sent()) == 1


def test_beat_wakes_for_the_moment_itself(beat, hourly):
    PeriodicTask.objects.update(last_run_at=last_hour())
    beat.reader.read()

    wait = beat.send_rows(last_hour() + timedelta(minutes=59, seconds=59, milliseconds=750))

    assert wait == pytest.approx(0.25)


def test_a_row_that_cannot_be_used_is_told_once_and_spares_the_others(beat, hourly, sent, caplog):
    broken = PeriodicTask.objects.create(name="broken", task="celery.other", interval=every_hour())
    PeriodicTask.objects.filter(pk=broken.pk).update(kwargs="{")
    for _ in range(2):
        look(beat)

    assert len(sent()) == 1
    assert caplog.text.count("schedule not usable") == 1
    broken.refresh_from_db()
    assert broken.enabled


@pytest.mark.parametrize("days", [900_000_001, 2_000_000_000], ids=["beyond the calendar", "no time at all"])
@pytest.mark.parametrize("task", ["press.count", TASK])
def test_a_row_whose_moments_no_calendar_has_stops_neither_the_sweeper_nor_other_rows(
    beat, hourly, sent, caplog, task, days
):
    interval = IntervalSchedule.objects.create(every=days, period="days")
    PeriodicTask.objects.create(name="endless", task=task, interval=interval, last_run_at=last_hour())
    PeriodicTask.objects.create(name="next", task="press.fold", interval=every_hour())
    PeriodicTask.objects.filter(name="next").update(last_run_at=last_hour() - timedelta(hours=1))
    beat.schedule["sweep"].last_run_at -= timedelta(minutes=1)
    for _ in range(3):
        beat.reader.read()
        beat.tick()

    assert sorted(name for name, _ in sent()) == ["press.fold", "workflows.start_run", "workflows.sweep"]
    assert caplog.text.count("schedule not usable") <= 1


def test_a_row_that_fails_once_it_was_sent_is_not_sent_again_with_every_look(beat, sent, monkeypatch, caplog):
    PeriodicTask.objects.create(name="ours", task="press.count", interval=every_hour())
    PeriodicTask.objects.update(last_run_at=last_hour() - timedelta(hours=1))

    def fail(*_: Any) -> None:
        raise OverflowError("date value out of range")

    monkeypatch.setattr("config.beat_rows.TaskRow.sent", fail)
    beat.reader.read()
    for second in range(5):
        beat.send_rows(datetime.now(UTC) + timedelta(seconds=second))

    assert len(sent()) == 1
    assert caplog.text.count("schedule not usable") == 1


def test_the_reading_goes_on_whatever_one_reading_meets(settings, caplog):
    settings.LONGHAUL = {**settings.LONGHAUL, "SCHEDULE_READ_SECONDS": "0.01"}
    went_on = threading.Event()

    class Stumbling(Reader):
        def read(self) -> None:
            if not caplog.records:
                raise OverflowError("date value out of range")
            went_on.set()

    reader = Stumbling()
    reader.start()
    try:
        assert went_on.wait(10)
    finally:
        reader.stop()
    assert "schedules not read" in caplog.text


def add_due(name: str, *, task: str = "press.count", **fields: str) -> PeriodicTask:
    """A row of any other task, due since the last full hour."""
    row = PeriodicTask.objects.create(name=name, task=task, interval=every_hour(), **fields)
    PeriodicTask.objects.filter(pk=row.pk).update(last_run_at=last_hour() - timedelta(hours=1))
    return row


@pytest.mark.parametrize(
    ("task", "arguments"),
    [
        ("press.count", {"kwargs": '["a"]'}),
        ("press.count", {"kwargs": '"pages"'}),
        ("press.count", {"args": '{"pages": 3}'}),
        ("press.count", {"args": "3"}),
        ("workflows.sweep", {"kwargs": '{"pages": 3}'}),
        ("press.count", {"kwargs": '{"__type__": "decimal", "__value__": "3"}'}),
    ],
)
def test_a_row_that_celery_does_not_send_is_told_once_and_silences_none_after_it(
    beat, sent, caplog, task, arguments
):
    add_due("refused", task=task, **arguments)
    add_due("next", task="press.fold")
    for _ in range(3):
        look(beat)

    assert sent() == [("press.fold", {})]
    assert caplog.text.count("schedule not usable") == 1
    assert "schedule not sent" not in caplog.text


@pytest.mark.parametrize("arguments", [{"kwargs": "null", "args": "null"}, {"kwargs": "[]", "args": ""}])
def test_a_row_without_arguments_is_sent_however_it_says_so(beat, sent, arguments):
    add_due("plain", **arguments)
    look(beat)

    assert sent() == [("press.count", {})]


@pytest.mark.parametrize("error", [BrokerAway("timed out"), ConnectionResetError("gone"), TimeoutError()])
def test_a_broker_that_is_away_is_tried_once_a_look_and_the_rows_stay_due(
    beat, sent, monkeypatch, caplog, error
):
    first = add_due("first")
    add_due("second", task="press.fold")
    tried = []

    def refuse(task: str, *_: Any, **__: Any) -> None:
        tried.append(task)
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(beat, "send_task", refuse)
        assert look(beat) == LOOK_SECONDS
    assert tried == ["press.count"]
    assert [(record.message, record.schedule) for record in caplog.records] == [
        ("schedule not sent", first.pk)
    ]
    look(beat, after=timedelta(seconds=6))
    assert sorted(name for name, _ in sent()) == ["press.count", "press.fold"]


def every_hour() -> IntervalSchedule:
    return IntervalSchedule.objects.create(every=1, period="hours")


def test_any_other_task_runs_as_django_celery_beat_has_it(beat, sent):
    row = PeriodicTask.objects.create(
        name="ours", task="press.count", kwargs='{"pages": 3}', interval=every_hour(), last_run_at=last_hour()
    )
    PeriodicTask.objects.update(last_run_at=last_hour() - timedelta(hours=1))
    look(beat)
    look(beat)

    assert sent() == [("press.count", {"pages": 3})]
    row.refresh_from_db()
    assert row.total_run_count == 1
    assert row.last_run_at >= last_hour()


def test_a_task_for_once_is_off_afterwards(beat, sent):
    row = PeriodicTask.objects.create(name="once", task="press.count", interval=every_hour(), one_off=True)
    PeriodicTask.objects.update(last_run_at=last_hour() - timedelta(hours=1))
    look(beat)
    look(beat)

    assert len(sent()) == 1
    row.refresh_from_db()
    assert not row.enabled


def test_a_beat_that_is_stopped_saves_what_ran(hourly, owner, sent):
    beat = fresh_beat()
    row = PeriodicTask.objects.create(name="ours", task="press.count", interval=every_hour())
    PeriodicTask.objects.filter(pk=row.pk).update(last_run_at=last_hour() - timedelta(hours=1))
    look(beat)
    beat.reader.start()

    beat.close()

    row.refresh_from_db()
    assert row.total_run_count == 1
