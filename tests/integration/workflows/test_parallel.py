"""Stages whose branches run side by side: fork, join, failure of one beside others, and their undo."""

from collections.abc import Iterator

import pytest

from tests.flows import Parcel, branching, branching_back, ledger, tell
from workflows.definitions import Workflow, registry
from workflows.engine.outcomes import ErrorInfo, Failed
from workflows.models import Run, Step
from workflows.services import compensate, retry, start
from workflows.states import RunState, StepState

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def persistent() -> Iterator[Workflow]:
    """One retry-only step, with a deadline and no retry to spend."""
    workflow = Workflow(
        "test-persistent",
        version=1,
        input=Parcel,
        title="Parcel",
        steps=[tell],
        deadline=3_600,
        retry_budget=0,
    )
    yield workflow
    registry.forget(workflow)


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


def telling(owner, engine, **input) -> Run:
    """A run past its pivot, with the retry-only step ready."""
    run = engine.start(branching_back, input=input, owner=owner)
    for name in ("pack", "insure", "label", "print_label", "send"):
        engine.work(step_of(run, name))
    return run


def test_a_retry_only_step_is_tried_until_it_succeeds(owner, engine, log):
    run = telling(owner, engine, fails=["tell"], error="retryable")
    waits = []
    for attempt in range(1, 13):
        engine.work(step_of(run, "tell"))
        tell = step_of(run, "tell")
        assert (tell.state, tell.attempt_count) == (StepState.RETRYING, attempt)
        assert tell.max_attempts > attempt, "there is another one to come"
        waits.append((tell.due_at - engine.clock.now()).total_seconds())
        engine.sweep(after_seconds=61)
    assert (waits[:3], waits[-1]) == ([0.5, 1, 2], 30), "half of a doubling wait, up to its cap of 60"
    Run.objects.filter(pk=run.pk).update(input={"parts": [], "fails": [], "error": "fatal"})
    assert engine.finish(run).state == RunState.COMPLETED
    engine.check(run)


def test_a_retry_only_step_does_not_spend_the_budget_of_its_run(owner, engine, persistent):
    run = engine.start(persistent, input={"fails": ["tell"], "error": "retryable"}, owner=owner)
    for _ in range(4):
        engine.work(step_of(run, "tell"))
        engine.sweep(after_seconds=61)
    assert step_of(run, "tell").state == StepState.READY


def test_the_deadline_of_its_run_ends_a_retry_only_step(owner, engine, persistent):
    run = engine.finish(
        engine.start(persistent, input={"fails": ["tell"], "error": "retryable"}, owner=owner)
    )
    assert (run.state, run.error["code"]) == (RunState.FAILED, "run-deadline-passed")


def test_a_retry_only_step_that_kills_its_workers_is_given_up(owner, engine, operator):
    run = telling(owner, engine)
    for lost in range(2):
        assert engine.acquire(step_of(run, "tell")), f"lost {lost} so far"
        engine.sweep(after_seconds=31)
        engine.sweep(after_seconds=61)
    run.refresh_from_db()
    assert (run.state, run.error["code"]) == (RunState.FAILED, "worker-lost")
    engine.retry(run, by=operator)
    engine.acquire(step_of(run, "tell"))
    engine.sweep(after_seconds=31)
    assert step_of(run, "tell").state == StepState.RETRYING, "of this round it is the first"


def test_a_worker_lost_among_other_failures_is_no_reason_to_give_up(owner, engine):
    run = telling(owner, engine, fails=["tell"], error="retryable")
    for kind in ("failed", "failed", "lost", "failed", "lost"):
        if kind == "lost":
            engine.acquire(step_of(run, "tell"))
            engine.sweep(after_seconds=31)
        else:
            engine.work(step_of(run, "tell"))
        assert step_of(run, "tell").state == StepState.RETRYING
        engine.sweep(after_seconds=61)


def test_an_undo_that_fails_stops_its_branch_and_what_lies_before_but_not_the_branch_beside(
    owner, engine, operator
):
    run = engine.start(branching_back, input={"fails": ["send"]}, owner=owner)
    for name in ("pack", "insure", "label", "print_label", "send"):
        engine.work(step_of(run, name))
    first = Run.objects.get(pk=run.pk).error
    broken = ErrorInfo(code="gone", detail="The insurer is gone.", retryable=False)
    engine.settle(engine.acquire(step_of(run, "insure")), Failed(error=broken))
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
