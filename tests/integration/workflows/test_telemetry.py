"""What is seen of runs from outside: a log line for each transition, and spans at a collector."""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import transaction
from django.urls import reverse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.flows import asking, branching_back, fanning, fanning_back, ledger, ordering, undoing
from workflows import telemetry
from workflows.models import Attempt, Run, Step
from workflows.services import cancel, rerun, retry, signal, skip, start
from workflows.states import RunState
from workflows.telemetry import process
from workflows.telemetry.spans import ATTRIBUTES, Spans
from workflows.telemetry.trace import attempt_span_id

pytestmark = pytest.mark.django_db(transaction=True)

TRACE_ID, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE_ID}-{CALLER}-01"
ALLOWED = {
    *("run", "step", "attempt", "kind", "from", "to", "act", "parts"),
    *("duration_seconds", "error_code", "workflow", "trace_id"),
}


@pytest.fixture
def lines(caplog) -> Iterator[Any]:
    """The fields of all lines of transitions so far, in order."""
    caplog.set_level(logging.INFO, logger="workflows.transitions")
    plain = set(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}

    def read() -> list[dict[str, Any]]:
        records = [record for record in caplog.records if record.name == "workflows.transitions"]
        return [
            {
                "message": record.getMessage(),
                **{key: value for key, value in vars(record).items() if key not in plain},
            }
            for record in records
        ]

    return read


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    process.use(Spans(SimpleSpanProcessor(exporter)))
    yield exporter
    process.use(None)


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


def test_the_trace_of_a_run_is_stored_and_crosses_steps_retries_and_a_lost_worker(owner, engine, exporter):
    run = start(
        ordering,
        input={"fails_at": "list_parts"},
        owner=owner,
        called_from=telemetry.incoming({"traceparent": PARENT}),
        clock=engine.clock,
    )
    assert Run.objects.get(pk=run.pk).trace_context["traceparent"].startswith(f"00-{TRACE_ID}-")
    assert engine.acquire(run.steps.get(name="reserve")) is not None
    engine.sweep(after_seconds=31)  # its worker is never heard of again
    engine.finish(run)
    spans = exporter.get_finished_spans()
    assert {f"{span.context.trace_id:032x}" for span in spans} == {TRACE_ID}
    root = next(span for span in spans if span.name == "run.pending test-ordering")
    assert f"{root.parent.span_id:016x}" == CALLER
    assert {span.parent.span_id for span in spans if span is not root} == {root.context.span_id}
    for name, ended in (("reserve", ["lost", "completed"]), ("list_parts", ["failed", "failed"])):
        first, second = [span for span in spans if span.name == f"attempt {name}"]
        assert [span.attributes["longhaul.to"] for span in (first, second)] == ended
        assert [link.context.span_id for link in second.links] == [first.context.span_id]


def test_there_are_as_many_spans_as_lines_but_for_the_begin_of_an_attempt(owner, engine, lines, exporter):
    undone(owner, engine)
    begun = [line for line in lines() if line["message"] == "attempt.running"]
    spans = exporter.get_finished_spans()
    assert len(spans) == len(lines()) - len(begun)
    assert all(set(span.attributes) <= set(ATTRIBUTES) for span in spans)


def test_the_trace_of_a_run_is_read_once_a_process(owner, engine, exporter, django_assert_num_queries):
    run = complete_run(owner, engine)
    with django_assert_num_queries(0):
        assert Step(run_id=run.id).read_trace() == run.trace


def test_a_handler_works_inside_the_span_of_its_attempt(owner, exporter, monkeypatch):
    from opentelemetry import trace as otel

    from workflows import tasks

    seen: list[int] = []

    class Watching(list):
        def append(self, what: Any) -> None:
            seen.append(otel.get_current_span().get_span_context().span_id)

    monkeypatch.setattr("tests.flows.ledger", Watching())
    run = start(ordering, input={}, owner=owner)
    step = run.steps.get(name="reserve")
    tasks.run_step.apply(args=[str(step.id)])
    assert seen == [int(attempt_span_id(step.id, "forward", 1), 16)]


@pytest.fixture
def starter(owner) -> User:
    owner.user_permissions.add(Permission.objects.get(codename="start_run"))
    owner.user_permissions.add(Permission.objects.get(codename="rerun_run"))
    return User.objects.get(pk=owner.pk)


def test_a_start_over_http_takes_up_the_callers_trace(client, starter, engine):
    client.force_login(starter)
    body = {"workflow": "test-ordering", "input": {}}
    headers = {"traceparent": PARENT, "tracestate": "vendor=1"}
    answer = client.post(reverse("runs"), body, content_type="application/json", headers=headers)
    assert answer.status_code == 202, answer.json()
    run = Run.objects.get(pk=answer.json()["id"])
    assert run.trace_context == {
        "traceparent": run.trace.traceparent,
        "tracestate": "vendor=1",
        "caller": CALLER,
    }
    assert run.trace.trace_id == TRACE_ID
    engine.finish(run)
    again = client.post(
        reverse("run-rerun", args=[run.id]),
        {},
        content_type="application/json",
        headers={"traceparent": PARENT.replace(CALLER, "1" * 16)},
    )
    assert Run.objects.get(pk=again.json()["id"]).trace.caller == "1" * 16


@pytest.mark.parametrize("header", [None, "garbage"])
def test_a_start_without_a_readable_context_begins_a_trace_of_its_own(client, starter, header):
    client.force_login(starter)
    answer = client.post(
        reverse("runs"),
        {"workflow": "test-ordering", "input": {}},
        content_type="application/json",
        headers={} if header is None else {"traceparent": header},
    )
    run = Run.objects.get(pk=answer.json()["id"])
    assert run.trace_context == {"traceparent": run.trace.traceparent}


@pytest.fixture
def collector(settings, monkeypatch) -> Iterator[list[ExportTraceServiceRequest]]:
    """A collector that takes OTLP over HTTP, and this process exporting to it."""
    received: list[ExportTraceServiceRequest] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    export_to(f"http://127.0.0.1:{server.server_port}", settings, monkeypatch)
    yield received
    process.use(None)
    server.shutdown()
    server.server_close()


def export_to(address: str, settings: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    settings.OTEL_EXPORTER_OTLP_ENDPOINT = address
    process.use(None)


def test_spans_reach_a_collector_over_otlp_at_the_latest_when_the_process_ends(owner, engine, collector):
    run = complete_run(owner, engine)
    process.flush()
    (resource,) = [block for request in collector for block in request.resource_spans][:1]
    named = {pair.key: pair.value.string_value for pair in resource.resource.attributes}
    assert named["service.name"] == "longhaul"
    spans = [
        span
        for request in collector
        for block in request.resource_spans
        for scope in block.scope_spans
        for span in scope.spans
    ]
    assert {span.trace_id.hex() for span in spans} == {run.trace.trace_id}
    assert "run.completed test-ordering" in {span.name for span in spans}


def test_a_collector_that_is_away_costs_a_run_nothing_and_an_end_no_more_than_the_limit(
    owner, engine, settings, monkeypatch, lines
):
    export_to("http://127.0.0.1:9", settings, monkeypatch)
    monkeypatch.setattr(process, "FLUSH_SECONDS", 0.2)
    run = complete_run(owner, engine)
    assert run.state == RunState.COMPLETED
    assert lines()[-1]["message"] == "run.completed"
    began = time.monotonic()
    process.flush()
    assert time.monotonic() - began < 2
    process.use(None)
    assert ledger
