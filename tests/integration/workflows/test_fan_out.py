"""Fan-outs: one part for each item, each durable and retried alone, joined under the run's lock."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests import flows
from tests.flows import Parcel, fanning, fanning_back, label, ledger, pack, weigh
from workflows import selectors
from workflows.definitions import Retry, Workflow, fan_out, parallel, registry, step
from workflows.errors import Fatal, InvalidTransition
from workflows.models import Run, Step
from workflows.services import allowed_actions, cancel, retry, skip, start
from workflows.states import RunState, StepState

pytestmark = pytest.mark.django_db(transaction=True)

weighing_last = Workflow(
    "test-weighing-last", version=1, input=Parcel, title="Parcel", steps=[pack, fan_out(weigh, over=pack)]
)


@pytest.fixture
def weighing_beside() -> Iterator[Workflow]:
    yield from declared("test-weighing-beside", parallel(fan_out(weigh, over=pack), label))


def declared(name: str, stage: Any) -> Iterator[Workflow]:
    workflow = Workflow(name, version=1, input=Parcel, title="Parcel", steps=[pack, stage])
    yield workflow
    registry.forget(workflow)


def begin(owner, engine, workflow=fanning, **input) -> Run:
    run = start(workflow, input=input, owner=owner, clock=engine.clock)
    engine.work(run.steps.get(name="pack"))
    return run


def part(run: Run, index: int) -> Step:
    return run.steps.get(name=f"weigh[{index}]")


def states(run: Run) -> dict[str, str]:
    return dict(run.steps.values_list("name", "state"))


def test_each_item_becomes_a_part_and_the_results_come_back_in_order(owner, engine, log):
    run = begin(owner, engine, parts=[3, 1, 2])
    assert states(run)["weigh"] == "running"
    for index in (2, 0, 1):
        engine.work(part(run, index))
    assert states(run)["weigh"] == "completed"
    run = engine.finish(run)
    assert run.state == RunState.COMPLETED
    assert run.steps.get(name="total").output == 60
    assert [event for event in log(run) if event == "step.expanded"] == ["step.expanded"]
    assert ("weigh[2]", 1) in ledger


def test_without_items_the_fan_out_is_done_at_once(owner, engine):
    run = engine.finish(begin(owner, engine, parts=[]))
    assert run.state == RunState.COMPLETED
    assert run.steps.get(name="total").output == 0


def test_a_part_is_retried_alone(owner, engine):
    run = begin(owner, engine, fails=["weigh[1]"], error="retryable")
    engine.drive(run)
    assert states(run)["weigh[1]"] == "retrying"
    assert [part(run, index).attempt_count for index in range(3)] == [1, 1, 1]
    Run.objects.filter(pk=run.pk).update(input={"parts": [1, 2, 3], "fails": [], "error": "fatal"})
    run = engine.finish(run)
    assert run.state == RunState.COMPLETED
    assert [part(run, index).attempt_count for index in range(3)] == [1, 2, 1]


def test_when_a_part_fails_for_good_the_unbegun_are_put_back_and_a_retry_does_what_is_left(
    owner, engine, operator
):
    run = begin(owner, engine, fails=["weigh[0]"])
    held = engine.acquire(part(run, 2))
    engine.work(part(run, 0))
    run.refresh_from_db()
    assert run.state == RunState.RUNNING, "a part is still at work"
    assert states(run)["weigh[1]"] == "pending"
    engine.settle(held, engine.execute(held))
    run.refresh_from_db()
    assert (run.state, states(run)["weigh"]) == (RunState.FAILED, "failed")

    Run.objects.filter(pk=run.pk).update(input={"parts": [1, 2, 3], "fails": [], "error": "fatal"})
    retry(run.pk, by=operator, clock=engine.clock)
    run = engine.finish(run)
    assert run.state == RunState.COMPLETED
    assert [part(run, index).attempt_count for index in range(3)] == [2, 1, 1], (
        "what is done is not done again"
    )


def test_a_part_that_cannot_succeed_is_skipped_and_the_others_count(owner, engine, operator):
    run = engine.finish(begin(owner, engine, fails=["weigh[1]"]))
    assert run.state == RunState.FAILED
    skip(run.pk, by=operator, step="weigh[1]", output=7, reason="weighed by hand", clock=engine.clock)
    run = engine.finish(run)
    assert run.state == RunState.COMPLETED
    assert run.steps.get(name="total").output == 10 + 7 + 30


@pytest.mark.parametrize("workflow", [fanning, weighing_last], ids=lambda workflow: workflow.name)
def test_a_part_that_backs_off_or_waits_for_a_worker_is_skipped_in_any_stage(owner, engine, workflow):
    run = begin(owner, engine, workflow, fails=["weigh[1]"], error="retryable")
    engine.work(part(run, 1))
    assert (states(run)["weigh[1]"], states(run)["weigh[2]"]) == ("retrying", "ready")
    engine.skip(run, "weigh[1]", 7)
    engine.skip(run, "weigh[2]", 8)
    run = engine.finish(run)
    assert run.state == RunState.COMPLETED
    assert states(run)["weigh"] == "completed"
    assert [what for what, _ in ledger if what.startswith("weigh")] == ["weigh[1]", "weigh[0]"]


def test_the_last_open_part_of_a_run_is_skipped_and_the_run_completes(owner, engine):
    run = begin(owner, engine, weighing_last, parts=[1])
    assert engine.skip(run, "weigh[0]", 10).state == RunState.COMPLETED


def test_a_part_at_work_is_not_skipped_and_the_refusal_says_so(owner, engine):
    run = begin(owner, engine, weighing_last, parts=[1])
    engine.acquire(part(run, 0))
    with pytest.raises(InvalidTransition, match=r"weigh\[0\] is running"):
        engine.skip(run, "weigh[0]", 10)


def test_a_fan_out_is_skipped_as_a_whole_and_its_done_parts_count(owner, engine, operator):
    run = engine.finish(begin(owner, engine, fails=["weigh[1]"]))
    skip(run.pk, by=operator, step="weigh", reason="enough", clock=engine.clock)
    run = engine.finish(run)
    assert run.state == RunState.COMPLETED
    assert states(run)["weigh[1]"] == "skipped"


def test_parts_are_undone_together_and_only_those_that_had_an_effect(owner, engine):
    run = engine.finish(begin(owner, engine, fanning_back, fails=["weigh[1]"]))
    assert run.state == RunState.COMPENSATED
    undone = [what for what, _ in ledger if what.startswith("undo")]
    assert undone[-1] == "undo pack"
    completed = {"weigh[0]", "weigh[2]"} & {what for what, _ in ledger}
    assert set(undone[:-1]) == {f"undo {name}" for name in completed}


def test_all_parts_are_undone_when_a_later_step_fails(owner, engine):
    run = engine.finish(begin(owner, engine, fanning_back, fails=["total"]))
    assert run.state == RunState.COMPENSATED
    undone = [what for what, _ in ledger if what.startswith("undo")]
    assert sorted(undone[:3]) == ["undo weigh[0]", "undo weigh[1]", "undo weigh[2]"]
    assert undone[3] == "undo pack"
    assert ("undo weigh[2]", 30) in ledger, "each part's undo gets its own output"


def test_the_idempotency_key_differs_from_part_to_part(owner, engine):
    run = begin(owner, engine)
    keys = {key_of(engine, part(run, index)) for index in range(3)}
    assert len(keys) == 3


def key_of(engine, step) -> str:
    from hashlib import sha256

    lease = engine.acquire(step)
    return sha256(f"{lease.run_id}/{lease.step_name}/{lease.kind}".encode()).hexdigest()


def test_cancelling_stops_the_parts_that_no_worker_has(owner, engine, operator):
    run = begin(owner, engine)
    held = engine.acquire(part(run, 0))
    cancel(run.pk, by=operator, clock=engine.clock)
    run.refresh_from_db()
    assert run.state == RunState.CANCELLING
    assert states(run)["weigh[1]"] == "pending"
    engine.settle(held, engine.execute(held))
    run.refresh_from_db()
    assert run.state == RunState.CANCELLED
    assert (states(run)["weigh[1]"], states(run)["weigh[0]"]) == ("cancelled", "completed")


def test_more_parts_than_the_limit_fail_the_run_with_a_sentence(owner, engine, settings):
    settings.LONGHAUL = {**settings.LONGHAUL, "FAN_OUT_MAX_PARTS": 2}
    run = begin(owner, engine)
    run.refresh_from_db()
    assert run.state == RunState.FAILED
    assert run.error["code"] == "too-many-parts"
    assert "3 items are more than the 2 parts" in run.error["detail"]


def test_doing_an_earlier_step_again_gives_the_parts_their_new_items(owner, engine, operator):
    run = engine.finish(begin(owner, engine, parts=[1, 2, 3], fails=["total"]))
    Run.objects.filter(pk=run.pk).update(input={"parts": [5, 6], "fails": [], "error": "fatal"})
    retry(run.pk, by=operator, from_step="pack", clock=engine.clock)
    run = engine.finish(run)
    assert run.state == RunState.COMPLETED
    assert run.steps.get(name="total").output == 110
    assert states(run)["weigh[2]"] == StepState.CANCELLED
    assert part(run, 2).outcome_unknown, "what the third part did before is still owed to an undo"


def test_a_part_that_settles_reads_and_locks_no_other_part(owner, engine, django_assert_max_num_queries):
    few, many = begin(owner, engine, parts=[1, 2, 3]), begin(owner, engine, parts=list(range(40)))
    counts = []
    for run in (few, many):
        lease = engine.acquire(part(run, 0))
        outcome = engine.execute(lease)
        with django_assert_max_num_queries(40) as queries:
            engine.settle(lease, outcome)
        counts.append(len(queries))
    assert counts[0] == counts[1]


@pytest.fixture
def mailing():
    @step(title="Mailing", retry_only=True, retry=Retry(attempts=1))
    def mail(ctx) -> str:
        if ctx.item == 3:
            raise Fatal("No such address.", code="no-address")
        return "sent"

    workflow = Workflow(
        "test-mailing",
        version=1,
        input=flows.Parcel,
        title="Mails",
        steps=[flows.pack, fan_out(mail, over=flows.pack)],
        on_failure="compensate",
    )
    yield workflow
    registry.forget(workflow)


def test_a_retry_only_fan_out_that_is_partly_done_is_a_point_of_no_return(owner, engine, mailing):
    run = engine.finish(engine.start(mailing, owner=owner))
    assert run.state == "failed", "two mails are out: what came before them is not undone"
    assert engine.states(run)["pack"] == "completed"


def test_parts_that_were_put_back_go_on_once_the_failed_one_is_skipped(owner, engine, operator):
    run = begin(owner, engine, fails=["weigh[0]"])
    held = engine.acquire(part(run, 2))
    engine.work(part(run, 0))
    assert states(run)["weigh[1]"] == "pending"
    engine.skip(run, "weigh[0]", 7, by=operator)
    assert states(run)["weigh[1]"] == "ready"
    engine.settle(held, engine.execute(held))
    run = engine.finish(run)
    assert (run.state, run.steps.get(name="total").output) == (RunState.COMPLETED, 7 + 20 + 30)
    engine.check(run)


def test_a_retry_leaves_skipped_parts_skipped_unless_they_are_to_be_done_again(owner, engine, operator):
    run = engine.finish(begin(owner, engine, fails=["weigh[0]", "weigh[1]"]))
    engine.skip(run, "weigh[0]", 7, by=operator)
    run = engine.finish(run)
    Run.objects.filter(pk=run.pk).update(input={"parts": [1, 2, 3], "fails": ["total"], "error": "fatal"})
    engine.retry(run, by=operator)
    run = engine.finish(run)
    assert states(run)["weigh[0]"] == "skipped"
    Run.objects.filter(pk=run.pk).update(input={"parts": [1, 2, 3], "fails": [], "error": "fatal"})
    engine.retry(run, from_step="weigh", by=operator)
    run = engine.finish(run)
    assert (states(run)["weigh[0]"], run.steps.get(name="total").output) == ("completed", 60)


def test_a_part_of_the_last_stage_is_skipped_while_its_run_works(owner, engine, operator):
    run = begin(owner, engine, weighing_last, fails=["weigh[1]"], error="retryable")
    engine.work(part(run, 1))
    assert (states(run)["weigh[0]"], states(run)["weigh[1]"]) == ("ready", "retrying")
    run.refresh_from_db()
    assert "skip" in allowed_actions(run, list(run.steps.filter(parent=None).order_by("position")))
    for index in range(3):
        engine.skip(run, f"weigh[{index}]", 7, by=operator)
    run.refresh_from_db()
    assert run.state == RunState.COMPLETED


def test_a_retry_from_a_step_beside_a_fan_out_does_not_do_its_done_parts_again(
    owner, engine, operator, weighing_beside
):
    run = begin(owner, engine, weighing_beside, fails=["weigh[1]"])
    for name in ("weigh[0]", "label", "weigh[1]"):
        engine.work(run.steps.get(name=name))
    run.refresh_from_db()
    assert run.state == RunState.FAILED
    Run.objects.filter(pk=run.pk).update(input={"parts": [1, 2, 3], "fails": [], "error": "fatal"})
    engine.retry(run, from_step="label", by=operator)
    assert engine.finish(run).state == RunState.COMPLETED
    assert [part(run, index).attempt_count for index in range(3)] == [1, 2, 1]
    assert run.steps.get(name="label").attempt_count == 2


def test_a_retry_only_fan_out_with_too_many_items_has_done_nothing_and_the_run_is_undone(
    owner, engine, mailing, settings
):
    settings.LONGHAUL = {**settings.LONGHAUL, "FAN_OUT_MAX_PARTS": 2}
    run = engine.finish(engine.start(mailing, owner=owner))
    assert (run.state, run.error["code"]) == (RunState.COMPENSATED, "too-many-parts")


def test_the_result_of_a_last_fan_out_is_what_a_later_step_would_read(
    owner, engine, operator, django_assert_max_num_queries
):
    run = engine.finish(engine.start(weighing_last, input={"fails": ["weigh[1]"]}, owner=owner))
    engine.skip(run, "weigh[1]", 7, by=operator)
    run = engine.finish(run)
    with django_assert_max_num_queries(2):
        assert selectors.result(run) == [10, 7, 30]
    engine.check(run)
