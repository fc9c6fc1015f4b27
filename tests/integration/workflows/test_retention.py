"""Runs that ended long ago go with all they hold; all others stay, and nobody waits for it."""

from datetime import timedelta

import pytest
from django.core.files.storage import default_storage
from django.db import connection
from django.test.utils import CaptureQueriesContext

from outbox.models import Delivery, Entry, Stream, Webhook
from outbox.retention import prune_stream
from tests import flows
from tests.flows import fanning, ordering
from tests.integration.outbox.webhooks.conftest import make_delivery, make_webhook
from workflows import storage
from workflows.errors import InvalidTransition
from workflows.models import Attempt, AuditEntry, Item, Run, Step
from workflows.services import cancel, erase, rerun, start
from workflows.services.retention import _close, retain_runs
from workflows.states import RunState
from workflows.tasks import retain
from workflows.testing import invariants

pytestmark = pytest.mark.django_db(transaction=True)

DAY = 86_400
TABLES = (Run, Step, Attempt, Item, Entry, Stream)


@pytest.fixture(autouse=True)
def kept_for_a_month(settings):
    settings.LONGHAUL = {
        **settings.LONGHAUL,
        "RUN_RETENTION_DAYS": 30,
        "RETENTION_PAUSE_SECONDS": 0,
        "INLINE_OUTPUT_BYTES": 200,
    }


def ended(owner, engine, **input) -> Run:
    """A run that has ended, with files, all of it published."""
    name = {"name": "a lamp" * 100}
    return published(engine.finish(start(ordering, input={**name, **input}, owner=owner, clock=engine.clock)))


def published(run: Run) -> Run:
    stream = Stream.objects.get(key=run.pk)
    Stream.objects.filter(key=run.pk).update(published=stream.head, dirty=False)
    return run


def has_files(run: Run) -> bool:
    try:
        return bool(default_storage.listdir(storage.folder_of(run.pk))[1])
    except FileNotFoundError:
        return False


def test_a_run_that_ended_long_ago_goes_with_its_files_and_leaves_an_audit_entry(owner, engine):
    old = ended(owner, engine)
    assert has_files(old)
    engine.clock.turn(31 * DAY)

    assert retain_runs(clock=engine.clock) == 1

    assert [model.objects.count() for model in TABLES] == [0] * len(TABLES)
    assert not has_files(old)
    entry = AuditEntry.objects.get()
    assert (entry.run_ref, entry.actor, entry.action) == (old.pk, None, "erase")
    assert entry.reason == "ended more than 30 days ago"


def test_rows_and_files_of_all_other_runs_stay(owner, engine):
    old = ended(owner, engine)
    engine.clock.turn(20 * DAY)
    younger = ended(owner, engine)
    live = start(ordering, input={"name": "b"}, owner=owner, clock=engine.clock)
    rows = {model: model.objects.count() for model in TABLES}
    engine.clock.turn(11 * DAY)

    assert retain_runs(clock=engine.clock) == 1

    assert set(Run.objects.values_list("pk", flat=True)) == {younger.pk, live.pk}
    assert has_files(younger)
    assert invariants.faults_of(younger) == invariants.faults_of(live) == []
    assert Item.objects.count() == rows[Item] // 2
    assert not has_files(old)


def test_without_the_setting_nothing_goes(owner, engine, settings):
    settings.LONGHAUL = {**settings.LONGHAUL, "RUN_RETENTION_DAYS": 0}
    ended(owner, engine)
    engine.clock.turn(10_000 * DAY)

    assert retain_runs(clock=engine.clock) == 0
    retain()
    assert Run.objects.count() == 1


def test_a_run_whose_child_lives_stays_until_the_child_has_ended(owner, engine, operator):
    parent = ended(owner, engine)
    engine.clock.turn(31 * DAY)
    child = rerun(parent.pk, by=operator, from_step="charge", clock=engine.clock)
    published(parent)

    assert retain_runs(clock=engine.clock) == 0

    engine.finish(child)
    assert retain_runs(clock=engine.clock) == 1
    child.refresh_from_db()
    assert (child.parent, child.state) == (None, RunState.COMPLETED)
    assert has_files(child), "it has copies of its own"


def test_a_run_whose_undo_failed_waits_for_a_human(owner, engine):
    run = start(
        flows.undoing,
        input={"name": "a", "fails_at": "charge", "error": "fatal", "undo_fails": 99},
        owner=owner,
        clock=engine.clock,
    )
    assert published(engine.finish(run)).state == RunState.COMPENSATION_FAILED
    engine.clock.turn(100 * DAY)

    assert retain_runs(clock=engine.clock) == 0


def test_a_run_with_an_event_that_nobody_was_told_stays(owner, engine):
    run = ended(owner, engine)
    Stream.objects.filter(key=run.pk).update(dirty=True)
    engine.clock.turn(31 * DAY)

    assert retain_runs(clock=engine.clock) == 0


def test_a_run_of_which_a_webhook_is_still_to_be_told_stays(owner, engine):
    """A webhook's tries last three days and more; one that is off keeps its line until it is on again."""
    run = ended(owner, engine)
    hook = make_webhook("https://hooks.example.com/in")
    delivery = make_delivery(hook, stream=run.pk)
    Webhook.objects.update(is_active=False)
    engine.clock.turn(31 * DAY)

    assert retain_runs(clock=engine.clock) == 0
    assert Delivery.objects.filter(pk=delivery.pk).exists()

    hook.delete()
    assert retain_runs(clock=engine.clock) == 1


def test_a_run_whose_files_cannot_go_now_holds_up_no_other_and_goes_later(owner, engine, monkeypatch, caplog):
    stuck, other = ended(owner, engine), ended(owner, engine)
    engine.clock.turn(31 * DAY)
    real = storage.remove_all

    def full(run_id) -> None:
        if run_id == stuck.pk:
            raise OSError("the disk is away")
        real(run_id)

    with monkeypatch.context() as patch:
        patch.setattr("workflows.storage.remove_all", full)
        assert retain_runs(clock=engine.clock) == 1
    assert "run not removed" in caplog.text
    assert list(Run.objects.values_list("pk", flat=True)) == [stuck.pk]
    assert not Run.objects.filter(pk=other.pk).exists()
    assert retain_runs(clock=engine.clock) == 1


def test_a_run_that_retention_has_closed_takes_no_verb(owner, engine, operator, monkeypatch):
    run = ended(owner, engine)
    engine.clock.turn(31 * DAY)
    monkeypatch.setattr("workflows.storage.remove_all", _away)
    retain_runs(clock=engine.clock)

    with pytest.raises(InvalidTransition, match="it can erase"):
        rerun(run.pk, by=operator, clock=engine.clock)


def test_it_goes_in_batches_and_a_pass_ends_in_time(owner, engine, settings):
    settings.LONGHAUL = {**settings.LONGHAUL, "RUN_RETENTION_BATCH": 2}
    for _ in range(5):
        ended(owner, engine)
    engine.clock.turn(31 * DAY)
    assert retain_runs(clock=engine.clock) == 5

    for _ in range(3):
        ended(owner, engine)
    engine.clock.turn(31 * DAY)
    settings.LONGHAUL = {**settings.LONGHAUL, "RETENTION_PASS_SECONDS": 0.000_001}
    assert retain_runs(clock=engine.clock) == 0, "closed, and no time left"
    settings.LONGHAUL = {**settings.LONGHAUL, "RETENTION_PASS_SECONDS": 10}
    assert retain_runs(clock=engine.clock) == 3


def test_no_transaction_removes_more_rows_of_a_table_than_a_batch(owner, engine, settings):
    run = engine.finish(start(fanning, input={"parts": list(range(1, 41))}, owner=owner, clock=engine.clock))
    published(run)
    assert Entry.objects.count() > 40
    engine.clock.turn(31 * DAY)
    settings.LONGHAUL = {**settings.LONGHAUL, "RETENTION_BATCH_ROWS": 7}

    with CaptureQueriesContext(connection) as captured:
        assert retain_runs(clock=engine.clock) == 1

    assert [model.objects.count() for model in TABLES] == [0] * len(TABLES)
    for deleted in _deleted(captured, "workflows_step", "workflows_attempt", "workflows_item"):
        assert deleted <= 7 + len(fanning.nodes)  # the steps of the plan go with the run
    entries = [query for query in captured if query["sql"].startswith('DELETE FROM "outbox_entry"')]
    assert len(entries) >= 40 // 7


def test_a_run_that_somebody_acts_on_is_passed_over_at_once(owner, engine):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer and no sessions")
    held, other = ended(owner, engine), ended(owner, engine)
    engine.clock.turn(31 * DAY)
    rival = connection.copy()
    try:
        rival.set_autocommit(False)
        with rival.cursor() as cursor:
            cursor.execute("SELECT 1 FROM workflows_run WHERE id = %s FOR UPDATE", [held.pk])
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '50ms'")
        assert retain_runs(clock=engine.clock) == 1
        assert list(Run.objects.values_list("pk", flat=True)) == [held.pk]
    finally:
        rival.rollback()
        rival.close()
        connection.close()
    assert not Run.objects.filter(pk=other.pk).exists()


def test_a_run_that_somebody_locks_after_it_was_closed_holds_up_no_other(owner, engine, monkeypatch):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer and no sessions")
    held, other = ended(owner, engine), ended(owner, engine)
    engine.clock.turn(31 * DAY)
    rival, real = connection.copy(), storage.remove_all

    def lock(run_id) -> None:
        real(run_id)
        if run_id == held.pk:
            with rival.cursor() as cursor:
                cursor.execute("SELECT 1 FROM workflows_run WHERE id = %s FOR UPDATE", [held.pk])

    monkeypatch.setattr("workflows.storage.remove_all", lock)
    try:
        rival.set_autocommit(False)
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '50ms'")
        assert retain_runs(clock=engine.clock) == 1
    finally:
        rival.rollback()
        rival.close()
        connection.close()
    assert list(Run.objects.values_list("pk", flat=True)) == [held.pk]
    assert not Run.objects.filter(pk=other.pk).exists()
    monkeypatch.undo()
    assert retain_runs(clock=engine.clock) == 1


def test_the_rules_of_a_run_hold_when_the_front_of_its_log_is_gone(owner, engine):
    run = ended(owner, engine)
    stream = Stream.objects.get(key=run.pk)
    assert prune_stream(run.pk, upto=stream.head - 2) == stream.head - 2
    assert invariants.faults_of(run) == []
    assert prune_stream(run.pk, upto=stream.head) == 1
    assert invariants.faults_of(run) == []
    Stream.objects.filter(key=run.pk).update(pruned=1)
    assert "were removed" in invariants.faults_of(run)[0]


def test_retention_and_an_erasing_of_the_same_run_do_not_quarrel(owner, engine, operator, redis_client):
    run = cancel(
        start(ordering, input={"name": "a"}, owner=owner, clock=engine.clock).pk,
        by=operator,
        clock=engine.clock,
    )
    published(run)
    engine.clock.turn(31 * DAY)
    (closed,) = _close(engine.clock.now() - timedelta(days=30), None, now=engine.clock.now())
    erase(closed.pk, by=operator, clock=engine.clock)

    assert retain_runs(clock=engine.clock) == 0
    assert list(AuditEntry.objects.filter(action="erase").values_list("actor", flat=True)) == [operator.pk]


def _away(run_id) -> None:
    raise OSError("the disk is away")


def _deleted(captured, *tables: str):
    """How many keys each DELETE of these tables names."""
    for query in captured:
        sql = query["sql"]
        if any(sql.startswith(f'DELETE FROM "{table}"') for table in tables):
            yield sql.partition(" IN (")[2].count(",") + 1
