"""Rounds: retry from a named step, the retry budget, rerun as a new run, and what the old effects are owed."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.db import OperationalError

from tests.flows import asking, branching, budgeted, fanning, ledger, ordering, undoing
from workflows.errors import InvalidInput, InvalidTransition
from workflows.models import AuditEntry, Item, Run
from workflows.services import compensate, request_of, rerun, rerunning, retry, skip, start
from workflows.services.copying import Reused, gather
from workflows.states import RunState

pytestmark = pytest.mark.django_db(transaction=True)


def states(run: Run) -> dict[str, str]:
    return dict(run.steps.values_list("name", "state"))


def finished(owner, engine, workflow=ordering, **input) -> Run:
    return engine.finish(start(workflow, input=input, owner=owner, clock=engine.clock))


def heal(run: Run) -> None:
    Run.objects.filter(pk=run.pk).update(
        input={"name": "a lamp", "fails_at": "", "error": "", "undo_fails": 0}
    )


def test_a_retry_from_an_earlier_step_does_it_and_all_after_it_again(owner, engine, operator, log):
    run = finished(owner, engine, fails_at="charge", error="fatal")
    heal(run)
    ledger.clear()
    retry(run.pk, by=operator, from_step="list_parts", clock=engine.clock)
    assert engine.finish(run).state == RunState.COMPLETED
    assert [what for what, _ in ledger] == ["list_parts", "charge"]
    assert Item.objects.filter(step__run=run).count() == 3, "what was yielded before is kept"
    assert log(run).count("step.reset") == 2


def test_what_a_step_did_before_it_was_done_again_is_still_undone(owner, engine, operator):
    run = finished(owner, engine, fails_at="charge", error="fatal")
    Run.objects.filter(pk=run.pk).update(
        input={"name": "a lamp", "fails_at": "reserve", "error": "fatal", "undo_fails": 0}
    )
    retry(run.pk, by=operator, from_step="reserve", clock=engine.clock)
    run = engine.finish(run)
    assert (run.state, states(run)["reserve"]) == (RunState.FAILED, "failed")
    compensate(run.pk, by=operator, clock=engine.clock)
    assert engine.finish(run).state == RunState.COMPENSATED
    assert ("release", None) in ledger


def test_an_unknown_step_is_named_with_those_that_there_are(owner, engine, operator):
    run = finished(owner, engine, fails_at="charge", error="fatal")
    with pytest.raises(InvalidTransition, match="no step 'pay'; it has reserve, list_parts, charge"):
        retry(run.pk, by=operator, from_step="pay", clock=engine.clock)


def test_after_an_undo_a_run_does_not_go_on_but_a_new_one_may(owner, engine, operator):
    run = finished(owner, engine, undoing, fails_at="charge", error="fatal")
    assert run.state == RunState.COMPENSATED
    with pytest.raises(InvalidTransition, match="cannot retry"):
        retry(run.pk, by=operator, clock=engine.clock)
    child = rerun(run.pk, by=operator, input={"name": "a chair"}, clock=engine.clock)
    assert (child.parent_id, engine.finish(child).state) == (run.pk, RunState.COMPLETED)
    assert child.title == "Order of a chair"


def test_the_retries_of_all_steps_together_are_bounded(owner, engine):
    run = start(
        budgeted, input={"fails": ["label", "insure"], "error": "retryable"}, owner=owner, clock=engine.clock
    )
    run = engine.finish(run)
    assert run.state == RunState.FAILED
    assert run.retry_count == 1
    assert sum(run.steps.values_list("attempt_count", flat=True)) == 1 + 1 + 1


def test_a_new_round_has_a_new_budget(owner, engine, operator):
    run = start(budgeted, input={"fails": ["label"], "error": "retryable"}, owner=owner, clock=engine.clock)
    run = engine.finish(run)
    retry(run.pk, by=operator, clock=engine.clock)
    run = engine.finish(run)
    assert (run.state, run.retry_count) == (RunState.FAILED, 1)
    assert run.steps.get(name="label").attempt_count == 4


def test_a_rerun_takes_over_outputs_and_items_up_to_a_step(owner, engine, operator, log):
    run = finished(owner, engine)
    ledger.clear()
    child = rerun(run.pk, by=operator, from_step="charge", clock=engine.clock)
    child = engine.finish(child)
    assert child.state == RunState.COMPLETED
    assert [what for what, _ in ledger] == ["charge"]
    assert [item.data for item in child.items.order_by("index")] == [
        item.data for item in run.items.order_by("index")
    ]
    assert [event for event in log(child) if event == "item.committed"] == ["item.committed"] * 3
    seqs = list(child.items.order_by("index").values_list("seq", flat=True))
    assert seqs == [2, 3, 4], "the items' rows carry the numbers of their events"
    assert AuditEntry.objects.get(action="rerun").run_id == run.pk


def test_what_a_child_took_over_is_not_its_to_undo(owner, engine, operator):
    run = finished(owner, engine)
    child = engine.finish(rerun(run.pk, by=operator, from_step="charge", clock=engine.clock))
    ledger.clear()
    compensate(child.pk, by=operator, clock=engine.clock)
    assert engine.finish(child).state == RunState.COMPENSATED
    assert [what for what, _ in ledger] == ["refund"]
    assert states(child)["reserve"] == "completed"


def test_a_rerun_takes_over_the_parts_of_a_fan_out(owner, engine, operator):
    run = finished(owner, engine, fanning, parts=[1, 2])
    ledger.clear()
    child = engine.finish(rerun(run.pk, by=operator, from_step="total", clock=engine.clock))
    assert child.steps.get(name="total").output == 30
    assert [what for what, _ in ledger] == ["total"]


def test_what_the_parent_has_not_done_cannot_be_taken_over(owner, engine, operator):
    run = finished(owner, engine, fails_at="list_parts", error="fatal")
    with pytest.raises(InvalidTransition, match="list_parts is not done in this run"):
        rerun(run.pk, by=operator, from_step="charge", clock=engine.clock)


def copies_in_storage() -> int:
    """Files of large values, of all runs together."""
    runs = default_storage.listdir("runs")[0]
    return sum(len(default_storage.listdir(f"runs/{name}/outputs")[1]) for name in runs)


@pytest.fixture
def done_with_a_large_output(owner, engine, settings) -> Run:
    settings.LONGHAUL = {**settings.LONGHAUL, "INLINE_OUTPUT_BYTES": 200}
    return finished(owner, engine, name="a lamp" * 100)


def test_a_rerun_with_an_input_that_does_not_fit_leaves_nothing_behind(
    engine, operator, log, done_with_a_large_output
):
    run = done_with_a_large_output
    told, copies = log(run), copies_in_storage()
    with pytest.raises(InvalidInput):
        rerun(run.pk, by=operator, from_step="charge", input={"undo_fails": "many"}, clock=engine.clock)
    assert Run.objects.count() == 1
    assert not AuditEntry.objects.exists()
    assert (log(run), copies_in_storage()) == (told, copies)


def test_a_rerun_that_is_refused_at_its_commit_leaves_nothing_behind(
    engine, operator, log, done_with_a_large_output, monkeypatch
):
    run = done_with_a_large_output
    told, copies = log(run), copies_in_storage()

    def turned_meanwhile(parent: Run, names: list[str], **options: Any) -> Reused:
        reused = gather(parent, names, **options)
        assert copies_in_storage() > copies
        engine.compensate(run)
        return reused

    monkeypatch.setattr(rerunning, "gather", turned_meanwhile)
    with pytest.raises(InvalidTransition, match="a run that is compensating cannot rerun"):
        rerun(run.pk, by=operator, from_step="charge", clock=engine.clock)
    assert Run.objects.count() == 1
    assert not AuditEntry.objects.filter(action="rerun").exists()
    assert copies_in_storage() == copies
    assert log(run)[: len(told)] == told


def test_a_rerun_whose_equal_request_was_first_keeps_no_copies_of_its_own(
    engine, operator, done_with_a_large_output, monkeypatch
):
    run = done_with_a_large_output
    asked = request_of(operator, scope=f"rerun {run.pk}", key="k-1", body={})
    ask = {"by": operator, "from_step": "charge", "request": asked, "clock": engine.clock}
    rivals: list[Run] = []

    def rival_is_first(parent: Run, names: list[str], **options: Any) -> Reused:
        reused = gather(parent, names, **options)
        monkeypatch.undo()
        rivals.append(rerun(run.pk, **ask))
        return reused

    copies = copies_in_storage()
    monkeypatch.setattr(rerunning, "gather", rival_is_first)
    assert rerun(run.pk, **ask).pk == rivals[0].pk
    assert copies_in_storage() == copies + 1, "those of the one child that there is"
    assert AuditEntry.objects.filter(action="rerun").count() == 1


def test_copies_stay_when_the_answer_of_the_commit_is_lost(
    engine, operator, done_with_a_large_output, monkeypatch
):
    run = done_with_a_large_output

    def lost(*args: Any, **options: Any) -> Run:
        start(*args, **options)
        raise OperationalError("server closed the connection")

    monkeypatch.setattr(rerunning, "start", lost)
    with pytest.raises(OperationalError):
        rerun(run.pk, by=operator, from_step="charge", clock=engine.clock)
    child = Run.objects.get(parent=run)
    assert engine.finish(child).state == RunState.COMPLETED


def test_a_failed_step_is_skipped_with_an_output_of_its_type_and_the_run_goes_on(owner, engine, operator):
    run = finished(owner, engine, fails_at="reserve", error="fatal")
    with pytest.raises(InvalidInput) as refused:
        skip(run.pk, by=operator, step="reserve", output={"words": 1}, reason="by hand", clock=engine.clock)
    assert refused.value.errors[0][0] == "/output/text"
    skip(run.pk, by=operator, step="reserve", output={"text": "kept"}, reason="by hand", clock=engine.clock)
    run = engine.finish(run)
    assert (run.state, run.steps.get(name="charge").output) == (RunState.COMPLETED, "kept and paid")
    assert states(run)["reserve"] == "skipped"


def test_a_step_at_work_or_done_is_not_skipped(owner, engine, operator):
    run = start(ordering, input={}, owner=owner, clock=engine.clock)
    engine.acquire(run.steps.get(name="reserve"))
    with pytest.raises(InvalidTransition, match="reserve is running"):
        skip(run.pk, by=operator, step="reserve", output={"text": ""}, reason="x", clock=engine.clock)


def test_a_skipped_step_whose_outcome_is_unknown_is_still_undone(owner, engine, operator):
    run = start(ordering, input={}, owner=owner, clock=engine.clock)
    for _ in range(3):
        engine.acquire(run.steps.get(name="reserve"))
        engine.sweep(after_seconds=31)
        engine.sweep(after_seconds=61)
    run.refresh_from_db()
    assert run.state == RunState.FAILED
    skip(run.pk, by=operator, step="reserve", output={"text": "x"}, reason="x", clock=engine.clock)
    run = engine.finish(run)
    compensate(run.pk, by=operator, clock=engine.clock)
    engine.finish(run)
    assert ("release", None) in ledger


def test_a_round_that_begins_with_a_skipped_step_has_a_deadline_of_its_own(owner, engine, operator):
    run = engine.finish(engine.start(asking, owner=owner))
    assert (run.state, engine.states(run)["approval"]) == (RunState.FAILED, "failed")
    engine.skip(run, "approval", {"approved": True}, by=operator)
    run.refresh_from_db()
    assert run.deadline_at == engine.clock.now() + timedelta(seconds=7_200)


def test_a_run_that_stops_for_a_step_goes_on_once_that_is_skipped(owner, engine, operator):
    run = engine.start(branching, input={"fails": ["insure"]}, owner=owner)
    engine.work(run.steps.get(name="pack"))
    held = engine.acquire(run.steps.get(name="label"))
    engine.work(run.steps.get(name="insure"))
    engine.skip(run, "insure", "insured elsewhere", by=operator)
    run.refresh_from_db()
    assert (run.state, run.error) == (RunState.RUNNING, None)
    engine.settle(held, engine.execute(held))
    assert engine.finish(run).state == RunState.COMPLETED
    engine.check(run)


def test_a_run_that_stops_for_two_parts_goes_on_only_once_both_are_skipped(owner, engine, operator):
    run = engine.start(fanning, input={"fails": ["weigh[0]", "weigh[1]"]}, owner=owner)
    engine.work(run.steps.get(name="pack"))
    held = [engine.acquire(run.steps.get(name=f"weigh[{index}]")) for index in range(3)]
    for lease in held[:2]:
        engine.settle(lease, engine.execute(lease))
    engine.skip(run, "weigh[0]", 7, by=operator)
    run.refresh_from_db()
    assert run.error is not None, "it stops for the other one"
    engine.skip(run, "weigh[1]", 7, by=operator)
    engine.settle(held[2], engine.execute(held[2]))
    run = engine.finish(run)
    assert (run.state, run.steps.get(name="total").output) == (RunState.COMPLETED, 7 + 7 + 30)
