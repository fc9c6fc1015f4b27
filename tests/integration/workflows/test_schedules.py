"""A schedule's row decides what is started; messages are hints."""

import json
import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connections
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask

from outbox.clock import CLOCK
from tests.flows import ordering
from workflows.definitions import registry
from workflows.models import Run
from workflows.services import scheduling
from workflows.services.scheduling import TASK, start_due
from workflows.tasks import start_run

MINUTE = timedelta(minutes=1)


@pytest.fixture
def nine(owner, clock):
    """Every day at nine, UTC; the last one was yesterday's. It is 9:31."""
    return make_schedule(clock, owner="anna")


def make_schedule(clock, *, timing=None, last=None, fields=None, **kwargs) -> PeriodicTask:
    timing = timing or {"crontab": CrontabSchedule.objects.create(minute="0", hour="9")}
    return PeriodicTask.objects.create(
        name=f"orders {PeriodicTask.objects.count()}",
        task=TASK,
        kwargs=json.dumps({"workflow": ordering.name, "input": {"name": "a shelf"}, **kwargs}),
        last_run_at=last or clock.now() - timedelta(days=1, minutes=31),
        **timing,
        **(fields or {}),
    )


def test_a_moment_that_is_due_starts_one_run(nine, owner, clock):
    run = start_due(nine.pk, clock=clock)

    assert (run.workflow, run.owner, run.input["name"]) == (ordering.name, owner, "a shelf")
    nine.refresh_from_db()
    assert nine.last_run_at == datetime(2026, 11, 22, 9, tzinfo=UTC)
    assert nine.total_run_count == 1


def test_a_doubled_message_starts_nothing(nine, clock):
    start_due(nine.pk, clock=clock)

    assert start_due(nine.pk, said=datetime(2026, 11, 22, 9, tzinfo=UTC), clock=clock) is None
    assert Run.objects.count() == 1


def test_a_message_that_comes_days_late_starts_nothing_for_its_old_moment(nine, clock):
    start_due(nine.pk, clock=clock)
    clock.turn(3 * 86_400)
    newest = start_due(nine.pk, clock=clock)

    assert newest is not None
    assert start_due(nine.pk, said=datetime(2026, 11, 22, 9, tzinfo=UTC), clock=clock) is None
    assert Run.objects.count() == 2


def test_days_that_were_missed_are_caught_up_once(nine, clock):
    clock.turn(10 * 86_400)

    assert start_due(nine.pk, clock=clock) is not None
    assert start_due(nine.pk, clock=clock) is None
    nine.refresh_from_db()
    assert nine.last_run_at == datetime(2026, 12, 2, 9, tzinfo=UTC)
    assert Run.objects.count() == 1


def test_a_schedule_may_skip_what_was_missed(owner, clock):
    task = make_schedule(clock, owner="anna", catch_up="skip")

    assert start_due(task.pk, clock=clock) is None
    task.refresh_from_db()
    assert (task.last_run_at.hour, task.total_run_count) == (9, 0)

    clock.moment = datetime(2026, 11, 23, 9, 0, 1, tzinfo=UTC)
    assert start_due(task.pk, clock=clock) is not None


def test_a_moment_is_not_started_after_its_own_expiry(owner, clock):
    task = make_schedule(clock, owner="anna", fields={"expire_seconds": 60})

    assert start_due(task.pk, clock=clock) is None
    assert not Run.objects.exists()


def test_a_process_that_died_between_start_and_note_has_started_it(nine, clock):
    """However long ago: on the real clock the test's is past, and a key of that time is not honoured any more."""
    run = start_due(nine.pk, clock=clock)
    PeriodicTask.objects.filter(pk=nine.pk).update(last_run_at=clock.now() - timedelta(days=1))

    assert start_due(nine.pk, clock=clock) == run
    assert Run.objects.count() == 1


def test_another_owner_meanwhile_is_no_other_moment(nine, stranger, clock):
    run = start_due(nine.pk, clock=clock)
    changed = json.loads(nine.kwargs) | {"owner": stranger.username}
    PeriodicTask.objects.filter(pk=nine.pk).update(
        last_run_at=clock.now() - timedelta(days=1), kwargs=json.dumps(changed)
    )

    assert start_due(nine.pk, clock=clock) == run


@pytest.mark.django_db(transaction=True)
def test_two_messages_at_once_start_one_run(nine):
    """On the real clock: keys are forgotten by that one."""
    ready = threading.Barrier(4)

    def deliver() -> None:
        ready.wait()
        try:
            start_due(nine.pk, clock=CLOCK)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=deliver) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert Run.objects.count() == 1
    nine.refresh_from_db()
    assert nine.total_run_count == 1


def test_a_moment_waits_for_a_workflow_that_is_not_deployed_yet(owner, clock, caplog):
    task = make_schedule(clock, owner="anna", workflow="later")

    assert start_due(task.pk, clock=clock) is None
    assert "stays due" in caplog.text
    changed = json.loads(task.kwargs) | {"workflow": ordering.name}
    PeriodicTask.objects.filter(pk=task.pk).update(kwargs=json.dumps(changed))
    assert start_due(task.pk, clock=clock) is not None


@pytest.mark.parametrize(
    "fault",
    [
        {"owner": "nobody"},
        {"input": {"undo_fails": "often"}},
        {"owner": "a\x00"},
        {"color": "red"},
        {"version": 9},
    ],
    ids=["owner", "input", "NUL", "unknown argument", "version"],
)
def test_what_cannot_be_started_is_told_without_its_content(clock, owner, caplog, fault):
    task = make_schedule(clock, **{"owner": "anna", **fault})

    assert start_due(task.pk, clock=clock) is None
    assert not Run.objects.exists()
    assert "often" not in str([record.__dict__ for record in caplog.records])


def test_while_its_run_is_live_a_moment_is_passed_over(owner, clock):
    task = make_schedule(clock, owner="anna", unique_key="nightly")
    first = start_due(task.pk, clock=clock)
    clock.turn(86_400)

    assert start_due(task.pk, clock=clock) is None
    task.refresh_from_db()
    assert task.last_run_at == datetime(2026, 11, 23, 9, tzinfo=UTC)
    assert Run.objects.get() == first


def test_an_interval_keeps_to_its_grid(owner, clock):
    timing = {"interval": IntervalSchedule.objects.create(every=15, period="minutes")}
    task = make_schedule(clock, owner="anna", timing=timing, last=clock.now() - 7 * MINUTE)

    start_due(task.pk, clock=clock)

    task.refresh_from_db()
    assert task.last_run_at == datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


def test_a_clocked_schedule_starts_once_and_is_off_then(owner, clock):
    timing = {"clocked": ClockedSchedule.objects.create(clocked_time=clock.now() - MINUTE)}
    task = make_schedule(clock, owner="anna", timing=timing, fields={"one_off": True})
    PeriodicTask.objects.filter(pk=task.pk).update(last_run_at=None)

    assert start_due(task.pk, clock=clock) is not None
    assert start_due(task.pk, clock=clock) is None
    task.refresh_from_db()
    assert not task.enabled


def test_nothing_is_due_before_the_start_time_after_the_end_or_when_disabled(nine, clock):
    ahead = clock.now() + timedelta(days=1)
    for fields in (
        {"start_time": ahead},
        {"expires": clock.now() - timedelta(days=1)},
        {"enabled": False},
        {"task": "celery.other"},
    ):
        task = PeriodicTask.objects.filter(pk=nine.pk)
        before = task.values(*fields).get()
        task.update(**fields)
        assert start_due(nine.pk, clock=clock) is None, fields
        task.update(**before)
    assert start_due(nine.pk, clock=clock) is not None


def test_the_word_of_a_clock_a_little_ahead_is_taken_and_of_one_far_ahead_is_not(nine, clock):
    start_due(nine.pk, clock=clock)
    due = datetime(2026, 11, 23, 9, tzinfo=UTC)

    clock.moment = due - timedelta(hours=1)
    assert start_due(nine.pk, said=due, clock=clock) is None
    clock.moment = due - timedelta(seconds=0.3)
    assert start_due(nine.pk, said=due, clock=clock) is not None


def test_an_edit_is_not_overwritten_by_the_note_of_a_start(nine, clock, monkeypatch):
    real = scheduling.start

    def slow(*args, **kwargs):
        run = real(*args, **kwargs)
        PeriodicTask.objects.filter(pk=nine.pk).update(description="edited meanwhile")
        return run

    monkeypatch.setattr(scheduling, "start", slow)
    start_due(nine.pk, clock=clock)

    nine.refresh_from_db()
    assert nine.description == "edited meanwhile"


def test_the_task_takes_what_beat_sends(nine):
    start_run(nine.pk, "2026-11-22T09:00:00+00:00")

    assert Run.objects.count() == 1
    assert registry.find(Run.objects.get().workflow) is ordering
    assert CLOCK.now() >= Run.objects.get().created_at
