"""The trace of a run: taken up or begun at its start, kept with it, and seen by a collector."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.urls import reverse
from opentelemetry import trace as otel
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.flows import ordering, undoing
from workflows import tasks, telemetry
from workflows.models import Run, Step
from workflows.services import start
from workflows.states import RunState, StepState
from workflows.telemetry import process
from workflows.telemetry.spans import ATTRIBUTES
from workflows.telemetry.trace import attempt_span_id

pytestmark = pytest.mark.django_db(transaction=True)

TRACE_ID, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE_ID}-{CALLER}-01"


def complete_run(owner, engine) -> Run:
    return engine.finish(start(ordering, input={}, owner=owner, clock=engine.clock))


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
    value = {"fails_at": "charge", "undo_fails": 1, "error": "fatal"}
    run = engine.finish(start(undoing, input=value, owner=owner, clock=engine.clock))
    assert run.state == RunState.COMPENSATED
    begun = [line for line in lines() if line["message"] == "attempt.running"]
    spans = exporter.get_finished_spans()
    assert len(spans) == len(lines()) - len(begun)
    assert all(set(span.attributes) <= set(ATTRIBUTES) for span in spans)


def test_the_trace_of_a_run_is_read_once_a_process(owner, engine, exporter, django_assert_num_queries):
    run = complete_run(owner, engine)
    with django_assert_num_queries(0):
        assert Step(run_id=run.id).read_trace() == run.trace


def test_a_handler_works_inside_the_span_of_its_attempt(owner, exporter, monkeypatch):
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


@pytest.mark.parametrize(
    ("name", "value"), [("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "100000"), ("OTEL_SPAN_EVENT_COUNT_LIMIT", "-1")]
)
def test_an_exporter_that_cannot_be_made_is_told_once_and_costs_no_run(
    owner, engine, settings, monkeypatch, caplog, name, value
):
    monkeypatch.setenv(name, value)
    export_to("http://127.0.0.1:9", settings, monkeypatch)
    try:
        run = start(ordering, input={}, owner=owner)
        step = run.steps.get(name="reserve")
        tasks.run_step.apply(args=[str(step.id)])
        step.refresh_from_db()
        assert step.state == StepState.COMPLETED
        assert run.trace.flags == "01", "a process that exports may take it up"
        assert caplog.text.count("spans are not exported") == 1
        assert name in telemetry.faults()[0]
    finally:
        process.use(None)


def test_a_context_that_no_sdk_takes_does_not_keep_a_handler_from_its_work(owner, exporter, monkeypatch):
    def fail(*_: Any, **__: Any) -> None:
        raise ValueError("no such trace state")

    monkeypatch.setattr("workflows.telemetry.spans._span_context", fail)
    run = start(ordering, input={}, owner=owner)
    step = run.steps.get(name="reserve")
    tasks.run_step.apply(args=[str(step.id)])
    step.refresh_from_db()
    assert step.state == StepState.COMPLETED


def test_an_error_of_a_handler_passes_through_the_span_it_works_in(exporter):
    run_id = uuid4()
    with (
        pytest.raises(ZeroDivisionError),
        telemetry.working(telemetry.of_run(run_id, None), step_id=run_id, kind="forward", number=1),
    ):
        _ = 1 / 0
