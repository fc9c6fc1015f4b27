"""Cancelling: from any live state, at any moment, once; keeping what is done, or undoing it."""

import pytest

from tests.flows import branching_back, ledger, ordering, undoing
from workflows.engine.outcomes import Stopped
from workflows.errors import InvalidTransition, LeaseLost
from workflows.models import Attempt, AuditEntry, Run
from workflows.services import cancel, compensate, leases, retry, start
from workflows.states import RunState

pytestmark = pytest.mark.django_db(transaction=True)


def states(run: Run) -> dict[str, str]:
    return dict(run.steps.values_list("name", "state"))


def begun(owner, engine, workflow=ordering, **input) -> Run:
    run = start(workflow, input=input, owner=owner, clock=engine.clock)
    engine.work(run.steps.get(position=0))
    return run


def test_what_no_worker_has_never_begins(owner, engine, operator, log):
    run = cancel(begun(owner, engine).pk, by=operator, reason="not needed", clock=engine.clock)
    assert run.state == RunState.CANCELLED
    assert states(run) == {"reserve": "completed", "list_parts": "cancelled", "charge": "cancelled"}
    assert log(run)[-5:] == [
        "operator.action",
        "run.cancelling",
        "step.cancelled",
        "step.cancelled",
        "run.cancelled",
    ]
    assert not [what for what, _ in ledger if what == "release"]


def test_the_first_word_counts_and_is_written_down_once(owner, engine, operator):
    run = begun(owner, engine)
    cancel(run.pk, by=operator, undo=False, clock=engine.clock)
    assert cancel(run.pk, by=operator, undo=True, clock=engine.clock).state == RunState.CANCELLED
    assert AuditEntry.objects.filter(run=run, action="cancel").count() == 1


@pytest.mark.parametrize("undo", [True, False, None])
def test_a_second_cancel_is_fine_also_once_the_undo_has_begun_and_once_it_has_ended(
    owner, engine, operator, undo
):
    run = begun(owner, engine)
    again = {"by": operator, "undo": undo, "clock": engine.clock}
    cancel(run.pk, by=operator, undo=True, clock=engine.clock)
    assert cancel(run.pk, **again).state == RunState.COMPENSATING
    assert engine.finish(run).state == RunState.COMPENSATED
    assert cancel(run.pk, **again).state == RunState.COMPENSATED
    assert AuditEntry.objects.filter(run=run, action="cancel").count() == 1
    assert [what for what, _ in ledger if what == "release"] == ["release"]


def test_a_second_cancel_is_fine_also_when_the_undo_failed(owner, engine, operator):
    run = begun(owner, engine, undo_fails=99)
    cancel(run.pk, by=operator, undo=True, clock=engine.clock)
    assert engine.finish(run).state == RunState.COMPENSATION_FAILED
    assert cancel(run.pk, by=operator, clock=engine.clock).state == RunState.COMPENSATION_FAILED


def test_an_undo_of_a_later_round_is_not_for_the_cancel_of_an_earlier_one(owner, engine, operator):
    run = start(ordering, input={}, owner=owner, clock=engine.clock)
    assert cancel(run.pk, by=operator, undo=True, clock=engine.clock).state == RunState.CANCELLED
    retry(run.pk, by=operator, clock=engine.clock)
    assert engine.finish(run).state == RunState.COMPLETED
    compensate(run.pk, by=operator, clock=engine.clock)
    with pytest.raises(InvalidTransition, match="a run that is compensating cannot cancel"):
        cancel(run.pk, by=operator, clock=engine.clock)


def test_a_step_at_work_is_told_and_its_run_is_cancelled_when_it_stops(owner, engine, operator):
    run = begun(owner, engine)
    lease = engine.acquire(run.steps.get(name="list_parts"))
    assert leases.cancelled([lease]) == set()
    assert cancel(run.pk, by=operator, clock=engine.clock).state == RunState.CANCELLING
    assert leases.cancelled([lease]) == {lease.token}
    engine.settle(lease, Stopped())
    run.refresh_from_db()
    assert run.state == RunState.CANCELLED
    assert Attempt.objects.get(step__name="list_parts").state == "cancelled"
    assert run.steps.get(name="list_parts").outcome_unknown, "nobody knows how much of it was done"


def test_a_step_that_ends_before_it_notices_is_done(owner, engine, operator):
    run = begun(owner, engine)
    lease = engine.acquire(run.steps.get(name="list_parts"))
    cancel(run.pk, by=operator, clock=engine.clock)
    engine.settle(lease, engine.execute(lease))
    run.refresh_from_db()
    assert (run.state, states(run)["list_parts"]) == (RunState.CANCELLED, "completed")
    assert states(run)["charge"] == "cancelled"


def test_a_step_that_ignores_it_is_fenced_off_after_its_grace(owner, engine, operator):
    run = start(ordering, input={}, owner=owner, clock=engine.clock)
    lease = engine.acquire(run.steps.get(name="reserve"))
    cancel(run.pk, by=operator, clock=engine.clock)
    leases.renew([lease], clock=engine.clock)
    engine.sweep(after_seconds=29)
    assert states(run)["reserve"] == "running"
    engine.clock.turn(2)
    leases.renew([lease], clock=engine.clock)
    engine.sweep()
    run.refresh_from_db()
    assert run.state == RunState.CANCELLED
    assert Attempt.objects.get(step__name="reserve").state == "cancelled"
    with pytest.raises(LeaseLost):
        engine.settle(lease, Stopped())


def test_a_worker_that_vanished_does_not_keep_a_run_from_being_cancelled(owner, engine, operator):
    run = begun(owner, engine)
    engine.acquire(run.steps.get(name="list_parts"))
    cancel(run.pk, by=operator, clock=engine.clock)
    engine.sweep(after_seconds=31)
    run.refresh_from_db()
    assert run.state == RunState.CANCELLED
    assert states(run)["list_parts"] == "cancelled", "it is not tried again"


def test_with_undo_the_completed_steps_are_undone_once_all_is_quiet(owner, engine, operator, log):
    run = begun(owner, engine)
    lease = engine.acquire(run.steps.get(name="list_parts"))
    cancel(run.pk, by=operator, undo=True, clock=engine.clock)
    assert states(run)["reserve"] == "completed", "not while a step is at work"
    engine.settle(lease, Stopped())
    assert engine.finish(run).state == RunState.COMPENSATED
    assert [what for what, _ in ledger if what == "release"] == ["release"]
    assert "run.cancelled" not in log(run), "each round has one end"


def test_without_a_word_the_workflow_decides_whether_it_undoes(owner, engine, operator):
    run = cancel(begun(owner, engine, undoing).pk, by=operator, clock=engine.clock)
    assert run.state == RunState.COMPENSATING
    assert engine.finish(run).state == RunState.COMPENSATED


def test_a_back_off_and_a_queue_are_no_shelter(owner, engine, operator):
    run = begun(owner, engine, fails_at="list_parts")
    engine.work(run.steps.get(name="list_parts"))
    assert states(run)["list_parts"] == "retrying"
    assert cancel(run.pk, by=operator, clock=engine.clock).state == RunState.CANCELLED


def test_past_the_pivot_an_undo_is_refused_and_a_plain_cancel_is_not(owner, engine, operator):
    run = start(branching_back, input={}, owner=owner, clock=engine.clock)
    for name in ("pack", "label", "print_label", "insure", "send"):
        engine.work(run.steps.get(name=name))
    with pytest.raises(InvalidTransition, match="cannot be undone any more"):
        cancel(run.pk, by=operator, undo=True, clock=engine.clock)
    assert cancel(run.pk, by=operator, clock=engine.clock).state == RunState.CANCELLED
    assert not [what for what, _ in ledger if what.startswith("undo")]


def test_a_cancelled_run_can_go_on_or_be_undone(owner, engine, operator):
    run = cancel(begun(owner, engine).pk, by=operator, clock=engine.clock)
    retry(run.pk, by=operator, clock=engine.clock)
    assert engine.finish(run).state == RunState.COMPLETED
    other = cancel(begun(owner, engine).pk, by=operator, clock=engine.clock)
    compensate(other.pk, by=operator, clock=engine.clock)
    assert engine.finish(other).state == RunState.COMPENSATED


def test_a_run_that_has_ended_or_is_being_undone_for_another_reason_cannot_be_cancelled(
    owner, engine, operator
):
    run = engine.finish(begun(owner, engine))
    with pytest.raises(InvalidTransition, match="a run that is completed cannot cancel"):
        cancel(run.pk, by=operator, clock=engine.clock)
    compensate(run.pk, by=operator, clock=engine.clock)
    with pytest.raises(InvalidTransition, match="a run that is compensating cannot cancel"):
        cancel(run.pk, by=operator, clock=engine.clock)


def test_a_run_whose_last_step_ended_while_it_was_cancelled_completes_when_it_is_retried(
    owner, engine, operator
):
    run = begun(owner, engine)
    engine.work(run.steps.get(name="list_parts"))
    lease = engine.acquire(run.steps.get(name="charge"))
    cancel(run.pk, by=operator, clock=engine.clock)
    engine.settle(lease, engine.execute(lease))
    run.refresh_from_db()
    assert run.state == RunState.CANCELLED
    assert retry(run.pk, by=operator, clock=engine.clock).state == RunState.COMPLETED
