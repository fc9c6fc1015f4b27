"""A process that stops dead inside a transaction holds one run for some seconds, and no other."""

import threading
import time

import pytest
from django.db import OperationalError, connection, connections, transaction

from outbox import failpoints
from tests.factories import make_run
from tests.flows import Parcel, ordering, pack, weigh
from workflows.definitions import Workflow, fan_out
from workflows.engine.outcomes import Succeeded
from workflows.models import Run, Step
from workflows.services import items, settling, start
from workflows.services.overdue import expire_run
from workflows.states import StepState

dated = Workflow(
    "test-dated",
    version=1,
    input=Parcel,
    title="Parcel",
    steps=[pack, fan_out(weigh, over=pack)],
    deadline=600,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def frozen():
    """Another session that locks a run and then does nothing."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer and no sessions")
    other = connection.copy()
    yield other
    other.close()


def lock(other, run: Run) -> None:
    other.set_autocommit(False)
    with other.cursor() as cursor:
        cursor.execute("SELECT 1 FROM workflows_run WHERE id = %s FOR UPDATE", [run.pk])


def test_a_sweep_passes_over_a_run_that_another_process_has_locked(owner, engine, frozen):
    held, free = make_run(owner, steps=(StepState.RUNNING,)), make_run(owner, steps=(StepState.RUNNING,))
    lock(frozen, held)
    engine.sweep(after_seconds=31)
    assert Step.objects.get(run=free, position=0).state == StepState.RETRYING
    assert Step.objects.get(run=held, position=0).state == StepState.RUNNING
    frozen.rollback()
    engine.sweep()
    assert Step.objects.get(run=held, position=0).state == StepState.RETRYING


def test_a_session_that_idles_inside_a_transaction_is_ended_and_its_locks_with_it(owner, frozen):
    run = make_run(owner, steps=(StepState.RUNNING,))
    with frozen.cursor() as cursor:
        cursor.execute("SHOW idle_in_transaction_session_timeout")
        assert cursor.fetchone() == ("10s",)
        cursor.execute("SET idle_in_transaction_session_timeout = '50ms'")
    lock(frozen, run)
    with transaction.atomic():
        assert Run.objects.locked(run.pk).pk == run.pk, "the lock was waited for, and came"


def test_nobody_waits_for_ever_for_a_lock(owner, frozen):
    run = make_run(owner, steps=(StepState.RUNNING,))
    lock(frozen, run)
    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("10s",)
        cursor.execute("SET lock_timeout = '50ms'")
    try:
        with pytest.raises(OperationalError, match="lock timeout"), transaction.atomic():
            Run.objects.locked(run.pk)
    finally:
        connections.close_all()


def test_a_worker_that_slept_inside_its_commit_does_not_lose_its_work(
    owner, clock, engine, frozen, monkeypatch
):
    """The server has ended its session, which psycopg tells as an internal error."""
    naps = iter([0.3])
    monkeypatch.setattr(failpoints, "is_on", True)
    monkeypatch.setitem(failpoints.active, "workflows.settle.written", lambda hit: time.sleep(next(naps, 0)))
    monkeypatch.setattr(settling, "SETTLE_PAUSE_SECONDS", 0)
    run = start(ordering, input={}, owner=owner, clock=clock)
    lease = engine.acquire(run.steps.get(name="reserve"))
    with connection.cursor() as cursor:
        cursor.execute("SET idle_in_transaction_session_timeout = '50ms'")
    settling.settle_for_certain(lease, Succeeded(output={"text": "done"}), clock=clock, roll=0.5)
    assert run.steps.get(name="reserve").state == StepState.COMPLETED


def test_a_deadline_and_a_part_that_tells_something_do_not_wait_for_each_other(
    owner, engine, frozen, monkeypatch
):
    """Each takes the part's row first, then the run's stream."""
    run = engine.start(dated, owner=owner)
    engine.work(run.steps.get(name="pack"))
    leases = [engine.acquire(step) for step in run.steps.filter(parent__isnull=False).order_by("index")]
    engine.clock.turn(601)
    write, fenced, errors = items.record, threading.Event(), []

    def write_late(*args, **options):
        fenced.set()
        time.sleep(0.5)
        return write(*args, **options)

    def tell():
        try:
            items.say(leases[-1], "Weighing", {}, clock=engine.clock)
        except Exception as error:
            errors.append(error)
        finally:
            connections.close_all()

    monkeypatch.setattr(items, "record", write_late)
    telling = threading.Thread(target=tell)
    telling.start()
    fenced.wait(5)
    with transaction.atomic():
        locked = Run.objects.locked(run.pk)
        expire_run(locked, Step.objects.locked(run.pk), now=engine.clock.now(), roll=0.5)
    telling.join(10)
    assert errors == []
    assert Run.objects.get(pk=run.pk).state == "failed"
