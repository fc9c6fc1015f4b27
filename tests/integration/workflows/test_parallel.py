"""Stages whose branches run side by side: fork, join, failure of one beside others, and their undo."""

import pytest

from outbox.models import Entry
from tests.flows import branching, branching_back, ledger
from workflows.engine.outcomes import ErrorInfo, Failed
from workflows.models import Run, Step
from workflows.services import compensate, retry, start
from workflows.states import RunState, StepState

pytestmark = pytest.mark.django_db(transaction=True)

GONE = ErrorInfo(code="gone", detail="The other side is gone.", retryable=False)


def states(run: Run) -> dict[str, str]:
    return dict(run.steps.values_list("name", "state"))


def step_of(run: Run, name: str) -> Step:
    return run.steps.get(name=name)


def test_branches_open_together_and_the_next_stage_waits_for_the_last(owner, engine):
    run = start(branching, input={}, owner=owner, clock=engine.clock)
    engine.work(step_of(run, "pack"))
    assert [name for name, state in states(run).items() if state == "ready"] == ["label", "insure"]
    engine.work(step_of(run, "insure"))
    engine.work(step_of(run, "label"))
    assert states(run)["send"] == "pending", "one branch is not at its end"
    engine.work(step_of(run, "print_label"))
    assert states(run)["send"] == "ready"
    assert engine.finish(run).state == RunState.COMPLETED


def test_when_one_branch_fails_the_others_end_their_step_and_then_the_run_fails(owner, engine, log):
    run = start(branching, input={"fails": ["insure"]}, owner=owner, clock=engine.clock)
    engine.work(step_of(run, "pack"))
    held = engine.acquire(step_of(run, "label"))
    engine.work(step_of(run, "insure"))
    run.refresh_from_db()
    assert (run.state, run.is_stopping) == (RunState.RUNNING, True)
    assert "run.failed" not in log(run)

    engine.settle(held, engine.execute(held))

    run.refresh_from_db()
    assert run.state == RunState.FAILED
    assert states(run) == {
        "pack": "completed",
        "label": "completed",
        "print_label": "pending",
        "insure": "failed",
        "send": "pending",
    }
    assert log(run)[-1] == "run.failed"


def test_a_sibling_that_no_worker_has_taken_is_put_back_so_that_the_run_comes_to_rest(owner, engine):
    run = start(branching, input={"fails": ["insure"]}, owner=owner, clock=engine.clock)
    engine.work(step_of(run, "pack"))
    engine.work(step_of(run, "insure"))
    run.refresh_from_db()
    assert run.state == RunState.FAILED
    assert states(run)["label"] == "pending"
    assert engine.acquire(step_of(run, "label")) is None, "a message that comes late finds nothing to do"


def test_a_sibling_that_backs_off_is_put_back_too_and_goes_on_after_a_retry(owner, engine, operator):
    run = start(branching, input={"fails": ["label"], "error": "retryable"}, owner=owner, clock=engine.clock)
    engine.work(step_of(run, "pack"))
    engine.work(step_of(run, "label"))
    assert states(run)["label"] == "retrying"
    held = engine.acquire(step_of(run, "insure"))
    engine.settle(held, failure())
    run.refresh_from_db()
    assert (run.state, states(run)["label"]) == (RunState.FAILED, "pending")

    Run.objects.filter(pk=run.pk).update(input={"parts": [], "fails": [], "error": "fatal"})
    retry(run.pk, by=operator, clock=engine.clock)
    assert engine.finish(run).state == RunState.COMPLETED


def failure():
    from workflows.engine.outcomes import ErrorInfo, Failed

    return Failed(error=ErrorInfo(code="broken", detail="Broken.", retryable=False))


def test_undo_waits_until_every_branch_is_quiet_and_undoes_each_from_its_end(owner, engine):
    run = start(branching_back, input={"fails": ["send"]}, owner=owner, clock=engine.clock)
    run = engine.finish(run)
    assert run.state == RunState.COMPENSATED
    undone = [what for what, _ in ledger if what.startswith("undo")]
    assert sorted(undone[:3]) == ["undo insure", "undo label", "undo print_label"]
    assert undone.index("undo print_label") < undone.index("undo label")
    assert undone[3] == "undo pack"


def test_a_branch_that_still_works_when_another_fails_is_undone_after_it_ended(owner, engine):
    run = start(branching_back, input={"fails": ["insure"]}, owner=owner, clock=engine.clock)
    engine.work(step_of(run, "pack"))
    held = engine.acquire(step_of(run, "label"))
    engine.work(step_of(run, "insure"))
    run.refresh_from_db()
    assert run.state == RunState.RUNNING, "nothing is undone while a branch works"
    engine.settle(held, engine.execute(held))
    assert engine.finish(run).state == RunState.COMPENSATED
    assert states(run) == {
        "pack": "compensated",
        "label": "compensated",
        "print_label": "cancelled",
        "insure": "failed",
        "send": "cancelled",
        "tell": "cancelled",
    }


def test_past_the_pivot_a_run_fails_forward_and_can_only_be_retried(owner, engine, operator):
    run = start(branching_back, input={"fails": ["tell"]}, owner=owner, clock=engine.clock)
    run = engine.finish(run)
    assert run.state == RunState.FAILED
    assert not [what for what, _ in ledger if what.startswith("undo")]
    with pytest.raises(Exception, match="cannot compensate"):
        compensate(run.pk, by=operator, clock=engine.clock)
    Run.objects.filter(pk=run.pk).update(input={"parts": [], "fails": [], "error": "fatal"})
    retry(run.pk, by=operator, clock=engine.clock)
    assert engine.finish(run).state == RunState.COMPLETED


def test_a_pivot_whose_worker_vanished_may_have_been_passed_so_nothing_is_undone(owner, engine):
    run = start(branching_back, input={}, owner=owner, clock=engine.clock)
    for name in ("pack", "label", "print_label", "insure"):
        engine.work(step_of(run, name))
    for _ in range(3):
        engine.acquire(step_of(run, "send"))
        engine.sweep(after_seconds=31)
        engine.sweep(after_seconds=61)
    run.refresh_from_db()
    assert run.state == RunState.FAILED
    assert states(run)["send"] == StepState.FAILED
    assert step_of(run, "send").outcome_unknown


def test_an_undo_that_fails_stops_its_branch_and_what_lies_before_but_not_the_branch_beside(
    owner, engine, operator
):
    run = engine.start(branching_back, input={"fails": ["send"]}, owner=owner)
    for name in ("pack", "insure", "label", "print_label", "send"):
        engine.work(step_of(run, name))
    first = Run.objects.get(pk=run.pk).error
    engine.settle(engine.acquire(step_of(run, "insure")), Failed(error=GONE))
    run = engine.drive(run)
    assert run.state == RunState.COMPENSATION_FAILED
    assert run.error["code"] == "gone"
    assert states(run) | {"tell": ""} == {
        "pack": "completed",
        "label": "compensated",
        "print_label": "compensated",
        "insure": "compensation_failed",
        "send": "failed",
        "tell": "",
    }
    engine.compensate(run, by=operator)
    run = engine.drive(run)
    assert (run.state, run.error) == (RunState.COMPENSATED, first), (
        "the fault, not that of an undo since mended"
    )
    engine.check(run)


def test_a_retry_from_a_step_gives_its_sibling_new_attempts_too(owner, engine, operator):
    """The sibling had backed off after its first attempt of two when the run stopped."""
    run = engine.start(branching, input={"fails": ["label", "insure"], "error": "retryable"}, owner=owner)
    engine.work(step_of(run, "pack"))
    engine.work(step_of(run, "insure"))
    engine.settle(engine.acquire(step_of(run, "label")), Failed(error=GONE))
    assert (states(run)["insure"], Run.objects.get(pk=run.pk).state) == ("pending", RunState.FAILED)
    engine.retry(run, from_step="label", by=operator)
    insure = step_of(run, "insure")
    assert (insure.attempt_count, insure.max_attempts) == (1, 3)
    assert Entry.objects.get(type="run.resumed").payload["from_step"] == "label"
