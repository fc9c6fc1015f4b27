"""What is seen of runs from outside: one log line for each transition, once it is committed."""

import logging
from collections import defaultdict
from typing import Any

import pytest
from django.db import transaction

from tests.flows import asking, branching_back, fanning, fanning_back, ordering, undoing
from workflows.models import Attempt, Run, Step
from workflows.services import cancel, rerun, retry, signal, skip, start
from workflows.states import RunState
from workflows.telemetry import Transition, process, transitions

pytestmark = pytest.mark.django_db(transaction=True)

ALLOWED = {
    *("run", "step", "attempt", "kind", "from", "to", "act", "parts"),
    *("duration_seconds", "error_code", "workflow", "trace_id"),
}


def complete_run(owner, engine) -> Run:
    return engine.finish(start(ordering, input={}, owner=owner, clock=engine.clock))


def failed_and_retried(owner, engine) -> Run:
    run = start(ordering, input={"fails_at": "charge"}, owner=owner, clock=engine.clock)
    run = engine.finish(run)
    assert run.state == RunState.FAILED
    Run.objects.filter(pk=run.pk).update(input={})
    retry(run.id, by=owner, from_step="list_parts", clock=engine.clock)
    return engine.finish(run)


def undone(owner, engine) -> Run:
    value = {"fails_at": "charge", "undo_fails": 1, "error": "fatal"}
    run = engine.finish(start(undoing, input=value, owner=owner, clock=engine.clock))
    assert run.state == RunState.COMPENSATED
    return run


def branched_and_undone(owner, engine) -> Run:
    return engine.finish(
        start(branching_back, input={"fails": ["print_label"]}, owner=owner, clock=engine.clock)
    )


def asked_and_skipped(owner, engine) -> Run:
    run = start(asking, input={"fails": ["label"]}, owner=owner, clock=engine.clock)
    engine.drive(run)
    signal(run.id, by=owner, name="approval", payload={"approved": True}, clock=engine.clock)
    run = engine.finish(run)
    skip(run.id, by=owner, step="label", output="by hand", reason="it is broken", clock=engine.clock)
    return engine.finish(run)


def cancelled(owner, engine) -> Run:
    run = start(ordering, input={}, owner=owner, clock=engine.clock)
    engine.work(run.steps.get(name="reserve"))
    lease = engine.acquire(run.steps.get(name="list_parts"))
    assert lease is not None
    cancel(run.id, by=owner, undo=True, clock=engine.clock)
    return engine.finish(run)


def run_again(owner, engine) -> Run:
    first = complete_run(owner, engine)
    return engine.finish(rerun(first.id, by=owner, from_step="charge", clock=engine.clock))


LIVES = [
    complete_run,
    failed_and_retried,
    undone,
    branched_and_undone,
    asked_and_skipped,
    cancelled,
    run_again,
]


@pytest.mark.parametrize("live", LIVES)
def test_each_line_begins_where_the_one_before_ended_and_the_last_says_what_the_row_does(
    owner, engine, lines, live
):
    run = live(owner, engine)
    told: dict[tuple[str, ...], list[tuple[str | None, str]]] = defaultdict(list)
    for line in lines():
        if line["run"] != str(run.id):
            continue
        machine = line["message"].partition(".")[0]
        keys = {"run": [], "step": ["step"], "attempt": ["step", "kind", "attempt"]}[machine]
        told[(machine, *(str(line[key]) for key in keys))].append((line.get("from"), line["to"]))
    rows = {("run",): (None, run.state)}
    rows |= {("step", step.name): ("pending", step.state) for step in Step.objects.filter(run=run)}
    for attempt in Attempt.objects.filter(step__run=run).select_related("step"):
        rows["attempt", attempt.step.name, attempt.kind, str(attempt.number)] = (None, attempt.state)
    for row, (first, last) in rows.items():
        chain = told.pop(row, [])
        assert [source for source, _ in chain] == [first, *(target for _, target in chain[:-1])], row
        assert chain[-1][1] == last, row
    assert not told, "a line of something that is no row"


def test_parts_that_move_together_share_a_line_and_then_have_their_own(owner, engine, lines):
    run = engine.finish(start(fanning, input={"parts": [1, 2, 3]}, owner=owner, clock=engine.clock))
    assert run.state == RunState.COMPLETED
    (opened,) = [line for line in lines() if line["message"].startswith("parts.")]
    assert (opened["message"], opened["step"], opened["parts"]) == ("parts.ready", "weigh", 3)
    ends = [line["step"] for line in lines() if line["message"] == "step.completed"]
    assert ends == ["pack", "weigh[0]", "weigh[1]", "weigh[2]", "weigh", "total"]


def test_the_undo_of_a_fan_out_is_told_of_all_its_parts(owner, engine, lines):
    value = {"parts": [1, 2], "fails": ["total"]}
    run = engine.finish(start(fanning_back, input=value, owner=owner, clock=engine.clock))
    assert run.state == RunState.COMPENSATED
    told = [(line["message"], line["parts"]) for line in lines() if line["message"].startswith("parts.")]
    assert told == [("parts.ready", 2), ("parts.compensating", 2)]


def test_a_transition_that_is_rolled_back_writes_no_line_and_no_span(owner, engine, lines, exporter):
    run = start(ordering, input={}, owner=owner, clock=engine.clock)
    before, spans = len(lines()), len(exporter.get_finished_spans())
    with transaction.atomic():
        locked = Run.objects.locked(run.id)
        locked.begin(now=engine.clock.now())
        locked.save()
        transaction.set_rollback(True)
    assert len(lines()) == before
    assert len(exporter.get_finished_spans()) == spans


def test_a_line_carries_ids_states_numbers_and_codes_and_nothing_that_was_written(owner, engine, lines):
    run = start(ordering, input={"name": "a secret lamp", "fails_at": "charge"}, owner=owner)
    engine.finish(run)
    assert lines()
    for line in lines():
        assert set(line) - {"message"} <= ALLOWED
        assert "secret" not in str(line)
        assert "closed." not in str(line)


def test_lines_say_how_long_and_why(owner, engine, lines):
    run = start(ordering, input={"fails_at": "reserve", "error": "fatal"}, owner=owner, clock=engine.clock)
    engine.clock.turn(2)
    lease = engine.acquire(run.steps.get(name="reserve"))
    engine.clock.turn(3)
    engine.settle(lease, engine.execute(lease))
    found = {line["message"]: line for line in lines()}
    assert found["step.running"]["duration_seconds"] == 2, "it waited for a worker"
    assert found["attempt.failed"]["duration_seconds"] == 3
    assert found["step.failed"]["error_code"] == found["run.failed"]["error_code"] == "out-of-stock"
    assert found["run.failed"]["trace_id"] == Run.objects.get(pk=run.pk).trace.trace_id


def test_an_event_that_is_no_transition_keeps_its_own_line_and_a_transition_has_no_second_one(
    owner, engine, caplog
):
    caplog.set_level(logging.INFO)
    run = complete_run(owner, engine)
    names = [record.getMessage() for record in caplog.records if getattr(record, "run", "") == str(run.id)]
    assert names.count("run.completed") == names.count("attempt.running") - 2 == 1
    assert names.count("item.committed") == 3
    assert "step.started" not in names


class BrokenSpans:
    def write(self, change: Transition) -> None:
        raise RuntimeError("the exporter is broken")

    def is_sampled(self, trace_id: str) -> bool:
        return True


def test_an_exporter_that_breaks_costs_a_run_nothing_and_no_line(owner, engine, lines, caplog):
    process.use(BrokenSpans())
    try:
        run = start(ordering, input={}, owner=owner, clock=engine.clock)
    finally:
        process.use(None)
    assert engine.acquire(run.steps.get(name="reserve")) is not None, "the hooks after it were called"
    assert lines()[0]["message"] == "run.pending"
    assert "span not written" in caplog.text
    assert "Error calling" not in caplog.text


def test_a_log_that_breaks_costs_a_run_nothing(owner, engine, monkeypatch):
    def fail(*_: Any, **__: Any) -> None:
        raise OSError("no space left on the log's disk")

    monkeypatch.setattr(transitions.logger, "info", fail)
    run = start(ordering, input={}, owner=owner, clock=engine.clock)
    assert engine.finish(run).state == RunState.COMPLETED
