import os
import subprocess
import threading
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection, transaction

from outbox.models import Entry
from tests import flows
from tests.factories import NOW, lease_of, make_run
from workflows import holder
from workflows.engine.items import NewItem
from workflows.engine.outcomes import Succeeded
from workflows.errors import LeaseLost
from workflows.models import Attempt, Item, Run, Step
from workflows.services import items, leases, settling
from workflows.states import AttemptState, RunState, StepState

pytestmark = pytest.mark.django_db(transaction=True)

PENDING, READY, RUNNING = StepState.PENDING, StepState.READY, StepState.RUNNING


@pytest.fixture
def ready(owner) -> Step:
    return make_run(owner, steps=(READY,), state=RunState.PENDING, started_at=None).steps.get(position=0)


@pytest.fixture
def running(owner) -> Step:
    return make_run(owner, steps=(RUNNING,)).steps.get(position=0)


def name_of_a_dead_process() -> str:
    gone = subprocess.Popen(["sleep", "60"])
    name = holder.name_of(gone.pid)
    gone.kill()
    gone.wait()
    return name


def note(text: str) -> NewItem:
    return NewItem(key=text, type="Note", value={"text": text})


def test_acquiring_counts_the_attempt_and_lends_the_step_before_the_body(engine, ready, log):
    lease = engine.acquire(ready)
    assert lease is not None
    ready = Step.objects.get(pk=ready.pk)
    assert (ready.state, ready.attempt_count, ready.lease_token) == (RUNNING, 1, lease.token)
    assert (ready.lease_expires_at - NOW).total_seconds() == 30
    assert ready.due_at == ready.lease_expires_at
    assert ready.attempts.get().state == AttemptState.RUNNING
    assert log(ready.run) == ["run.started", "step.started", "attempt.started"]


def test_a_second_message_for_the_same_step_finds_nothing_to_do(engine, ready):
    assert engine.acquire(ready) is not None
    assert engine.acquire(ready) is None
    assert Attempt.objects.count() == 1


def test_a_message_for_a_step_whose_turn_has_not_come_finds_nothing_to_do(engine, owner):
    run = make_run(owner, steps=(READY,))
    assert engine.acquire(run.steps.get(position=1)) is None


def test_a_message_for_a_step_that_was_erased_finds_nothing_to_do(engine, db):
    assert leases.acquire(uuid4(), holder="x", clock=engine.clock, roll=0.5) is None


def test_a_worker_without_the_code_releases_the_step_unharmed(engine, ready):
    Run.objects.update(version=99)
    assert engine.acquire(ready) is None
    ready = Step.objects.get(pk=ready.pk)
    assert (ready.state, ready.attempt_count) == (READY, 0)


def test_a_worker_without_the_code_of_the_step_releases_it_unharmed(engine, ready):
    Step.objects.filter(pk=ready.pk).update(name="renamed_since")
    assert engine.acquire(ready) is None
    assert Step.objects.get(pk=ready.pk).attempt_count == 0


def test_an_undo_that_backs_off_is_not_begun_by_a_message_that_comes_twice(engine, owner):
    run = make_run(owner, state=RunState.COMPENSATING, steps=(StepState.COMPLETED,))
    step = run.steps.get(position=0)
    step.compensate(attempts=5, due_at=NOW, now=NOW)
    step.undo_later({"code": "silent"}, retry_at=NOW)
    step.save()
    assert engine.acquire(step) is None
    engine.sweep(after_seconds=1)
    assert engine.acquire(step) is not None


def test_of_two_workers_that_acquire_at_once_one_gets_the_step(ready, clock):
    barrier, got = threading.Barrier(4), []

    def acquire(number: int) -> None:
        barrier.wait()
        got.append(leases.acquire(ready.id, holder=f"host/1:{number}:1.00", clock=clock, roll=0.5))
        connection.close()

    threads = [threading.Thread(target=acquire, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 4
    assert len([lease for lease in got if lease is not None]) == 1
    assert Attempt.objects.count() == 1


def test_a_worker_that_lost_its_lease_cannot_settle(running, clock):
    with pytest.raises(LeaseLost):
        settling.settle(
            lease_of(running, token=uuid4()), Succeeded(output={"text": "late"}), clock=clock, roll=0.5
        )
    running = Step.objects.get(pk=running.pk)
    assert (running.state, running.output) == (RUNNING, None)
    assert not Entry.objects.exists()


def test_a_worker_that_lost_its_lease_cannot_write_items_messages_or_progress(running, clock):
    zombie = lease_of(running, token=uuid4())
    for write in (
        lambda: items.commit_items(zombie, [note("late")], clock=clock),
        lambda: items.say(zombie, "Late", {}, clock=clock),
        lambda: items.save_progress(zombie, {"done": 1, "total": 2, "unit": "pages"}, clock=clock),
    ):
        with pytest.raises(LeaseLost):
            write()
    running = Step.objects.get(pk=running.pk)
    assert (running.items_count, running.state_info, running.progress) == (0, None, None)
    assert not Item.objects.exists()
    assert not Entry.objects.exists()


def test_a_renewal_moves_the_alarm_but_never_past_the_attempts_deadline(running, clock):
    lease = lease_of(running)
    clock.turn(seconds=20)
    assert leases.renew([lease], clock=clock) == set()
    step = Step.objects.get(pk=running.pk)
    assert (step.due_at - NOW).total_seconds() == 50

    clock.turn(seconds=30)
    leases.renew([lease], clock=clock)
    step = Step.objects.get(pk=running.pk)
    assert (step.due_at - NOW).total_seconds() == 60  # its timeout


def test_a_renewal_tells_which_leases_are_lost(running, clock):
    lost = lease_of(running, token=uuid4())
    assert leases.renew([lease_of(running), lost], clock=clock) == {lost.token}


def test_activity_moves_the_idle_limit(owner, clock):
    run = make_run(owner, steps=(StepState.COMPLETED, RUNNING))
    step = run.steps.get(position=1)
    clock.turn(seconds=15)
    items.commit_items(lease_of(step), [note("shade")], clock=clock)
    step = Step.objects.get(pk=step.pk)
    assert (step.idle_deadline_at - NOW).total_seconds() == 35


def test_items_of_one_batch_are_numbered_in_order(running, clock):
    lease = lease_of(running)
    items.commit_items(lease, [note("a"), note("b")], clock=clock)
    items.commit_items(lease, [note("c")], clock=clock)
    assert list(Item.objects.order_by("seq").values_list("index", "key", "seq")) == [
        (0, "a", 1),
        (1, "b", 2),
        (2, "c", 3),
    ]


def test_a_redelivered_message_voids_the_lease_of_a_dead_process_of_this_host(engine, ready):
    engine.holder = name_of_a_dead_process()
    engine.acquire(ready)

    assert engine.acquire(ready) is None

    step = Step.objects.get(pk=ready.pk)
    assert (step.state, step.lease_token) == (StepState.RETRYING, None)
    assert step.attempts.get().state == AttemptState.LOST


def test_a_lease_of_a_living_process_of_this_host_stands(engine, ready):
    engine.holder = holder.this_process()
    assert engine.acquire(ready) is not None
    assert engine.acquire(ready) is None
    assert Step.objects.get(pk=ready.pk).state == RUNNING


def test_a_process_that_got_the_number_of_a_dead_one_is_not_taken_for_it():
    assert not holder.is_dead(holder.this_process())
    assert holder.is_dead(f"{holder.prefix_of_this_host()}{os.getpid()}:1.00")


def test_a_step_of_the_wall_clock_makes_nobody_dead(monkeypatch):
    me = holder.this_process()
    monkeypatch.setattr("psutil.boot_time", lambda: 0.0)
    monkeypatch.setattr("psutil._pslinux.boot_time", lambda: 0.0, raising=False)
    assert not holder.is_dead(me)


def test_a_holder_of_another_host_is_never_called_dead():
    assert not holder.is_dead("another-host/1:1:1.00")


def test_states_cannot_be_set_past_the_machine(running):
    with pytest.raises(AttributeError):
        running.state = StepState.COMPLETED


def test_the_database_refuses_what_the_machine_would_never_do(running):
    from django.db import IntegrityError

    with pytest.raises(IntegrityError), transaction.atomic():
        Step.objects.filter(pk=running.pk).update(finished_at=NOW)
    with pytest.raises(IntegrityError), transaction.atomic():
        Step.objects.filter(pk=running.pk).update(lease_token=None)


def test_a_renewal_keeps_to_a_deadline_that_was_brought_forward_meanwhile(owner, engine):
    run = engine.start(flows.ordering, owner=owner)
    lease = engine.acquire(run.steps.get(name="reserve"))
    soon = engine.clock.now() + timedelta(seconds=2)
    Step.objects.filter(pk=lease.step_id).update(deadline_at=soon)
    assert leases.renew([lease], clock=engine.clock) == set()
    step = Step.objects.get(pk=lease.step_id)
    assert (step.due_at, step.lease_expires_at) == (soon, engine.clock.now() + timedelta(seconds=30))
