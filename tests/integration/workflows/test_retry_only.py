"""Retry-only steps: past the pivot a run only goes forward, so they are tried until they succeed."""

from collections.abc import Iterator

import pytest

from tests.flows import Parcel, branching_back, tell
from workflows.definitions import Workflow, registry
from workflows.models import Run, Step
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


def step_of(run: Run, name: str) -> Step:
    return run.steps.get(name=name)


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
