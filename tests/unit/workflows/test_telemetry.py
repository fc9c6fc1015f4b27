"""The trace context of a run, and the spans of its transitions, without a database or a collector."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from opentelemetry import trace as otel
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import TraceState

from workflows.telemetry import Trace, Transition, incoming, of_run, process
from workflows.telemetry.spans import ATTRIBUTES, Spans
from workflows.telemetry.trace import begin

RUN, STEP = UUID(int=1), UUID(int=2)
NOW = datetime(2026, 11, 22, 9, 31, 4, tzinfo=UTC)
TRACE_ID, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE_ID}-{CALLER}-01"


def always(_: str) -> bool:
    return True


def trace(**headers: str) -> Trace:
    return begin(RUN, incoming(headers), is_sampled=always)


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def spans(exporter) -> Spans:
    return Spans(SimpleSpanProcessor(exporter))


def attempt(number: int, target: str = "completed", **fields) -> Transition:
    values = {
        "machine": "attempt",
        "run_id": RUN,
        "step_id": STEP,
        "step": "score[7]",
        "attempt": number,
        "kind": "forward",
        "source": "running",
        "target": target,
        "at": NOW,
        "since": NOW - timedelta(seconds=4),
        "trace": lambda: trace(traceparent=PARENT),
    }
    return Transition(**{**values, **fields})


def created(**headers: str) -> Transition:
    stored = trace(**headers)
    return Transition(machine="run", run_id=RUN, target="pending", at=NOW, workflow="w", trace=lambda: stored)


def test_a_run_joins_the_trace_of_its_caller_and_keeps_that_with_it():
    run = trace(traceparent=PARENT, tracestate="vendor=1")
    assert (run.trace_id, run.caller, run.state) == (TRACE_ID, CALLER, "vendor=1")
    assert run.span_id != CALLER
    assert of_run(RUN, run.to_json()) == run


def test_without_a_caller_a_run_begins_a_trace_of_its_own():
    first, second = trace(), trace()
    assert first.trace_id != second.trace_id
    assert first.flags == "01"
    assert first.caller == ""
    assert begin(RUN, None, is_sampled=lambda _: False).flags == "00"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "nonsense",
        f"ff-{TRACE_ID}-{CALLER}-01",
        f"00-{TRACE_ID}-{CALLER}-01-more",
        f"00-{'0' * 32}-{CALLER}-01",
        f"00-{TRACE_ID}-{'0' * 16}-01",
        f"00-{TRACE_ID.upper()}-{CALLER}-01",
        f"{PARENT}\n\nX: y",
    ],
)
def test_a_malformed_context_is_passed_over(header):
    assert incoming({"traceparent": header}) is None


def test_a_later_version_is_read_as_far_as_it_is_known():
    assert incoming({"traceparent": f"01-{TRACE_ID}-{CALLER}-ff-more"}).flags == "03"


@pytest.mark.parametrize(
    "state",
    [
        "x=" + "y" * 600,
        "x=ü",
        "x=\x00",
        "a sentence of somebody",
        "x=1,no member",
        "X=1",
        "x =1",
        "x=1=2",
        "x=",
        "=1",
        "x=1,x=2",
        "x=" + "y" * 257,
        "x" * 257 + "=1",
        "a@b@c=1",
        "tenant@system-of-a-name-too-long=1",
        ",".join(f"x{number}=1" for number in range(33)),
    ],
)
def test_a_state_that_may_not_be_passed_on_is_dropped_and_the_trace_kept(state):
    assert incoming({"traceparent": PARENT, "tracestate": state}).state == ""


@pytest.mark.parametrize(
    "state",
    [
        "vendor=1",
        "a=b c,tenant@system=x:y/z,0day@v_1-*/=~!",
        " a=1 ,, b=2\t",
        ",".join(f"x{number}=1" for number in range(32)),
    ],
)
def test_a_state_of_members_of_the_standard_is_passed_on(state):
    kept = incoming({"traceparent": PARENT, "tracestate": state}).state
    assert kept == state.strip()
    sdk = TraceState.from_header([kept])
    assert len(sdk) == len([member for member in state.split(",") if member])


def test_a_run_from_before_there_were_traces_has_one_that_all_compute_alike():
    assert of_run(RUN, None) == of_run(RUN, {})
    assert of_run(RUN, None).trace_id != of_run(STEP, None).trace_id


def test_the_first_span_of_a_run_is_its_callers_child_and_all_others_are_its_children(spans, exporter):
    spans.write(created(traceparent=PARENT))
    spans.write(attempt(1))
    first, second = exporter.get_finished_spans()
    assert f"{first.context.trace_id:032x}" == f"{second.context.trace_id:032x}" == TRACE_ID
    assert f"{first.parent.span_id:016x}" == CALLER
    assert second.parent.span_id == first.context.span_id == int(trace(traceparent=PARENT).span_id, 16)


def test_without_a_caller_the_first_span_is_the_root_of_the_stored_trace(spans, exporter):
    change = created()
    spans.write(change)
    (root,) = exporter.get_finished_spans()
    assert root.parent is None
    assert f"{root.context.trace_id:032x}" == change.trace().trace_id


def test_the_context_crosses_a_retry_and_each_attempt_links_to_the_one_before(spans, exporter):
    spans.write(attempt(1, "lost", error_code="worker-lost"))
    spans.write(attempt(2))
    lost, done = exporter.get_finished_spans()
    assert lost.context.trace_id == done.context.trace_id
    assert lost.parent.span_id == done.parent.span_id
    assert lost.links == ()
    assert [link.context.span_id for link in done.links] == [lost.context.span_id]


def test_an_undo_is_numbered_apart_from_the_forward_attempts(spans, exporter):
    spans.write(attempt(1))
    spans.write(attempt(1, kind="undo"))
    assert len({span.context.span_id for span in exporter.get_finished_spans()}) == 2


def test_an_attempt_has_one_span_as_long_as_it_was(spans, exporter):
    spans.write(attempt(1, "running", source=None, since=None))
    spans.write(attempt(1, "failed", error_code="closed"))
    (span,) = exporter.get_finished_spans()
    assert span.name == "attempt score"
    assert span.end_time - span.start_time == 4_000_000_000
    assert (span.status.status_code, span.status.description) == (otel.StatusCode.ERROR, "closed")


def test_attributes_are_ids_names_states_and_numbers(spans, exporter):
    spans.write(attempt(2, "failed", error_code="closed"))
    (span,) = exporter.get_finished_spans()
    assert set(span.attributes) <= set(ATTRIBUTES)
    assert span.attributes == {
        "longhaul.run": str(RUN),
        "longhaul.step": "score[7]",
        "longhaul.attempt": 2,
        "longhaul.kind": "forward",
        "longhaul.from": "running",
        "longhaul.to": "failed",
        "longhaul.duration_seconds": 4.0,
        "error.type": "closed",
    }


def test_what_a_handler_traces_hangs_below_the_span_of_its_attempt(spans, exporter):
    with spans.working(trace(traceparent=PARENT), step_id=STEP, kind="forward", number=2):
        current = otel.get_current_span().get_span_context()
    assert not otel.get_current_span().get_span_context().is_valid
    spans.write(attempt(2))
    (span,) = exporter.get_finished_spans()
    assert (current.trace_id, current.span_id) == (span.context.trace_id, span.context.span_id)


def test_a_caller_that_does_not_sample_is_heeded(spans, exporter):
    quiet = lambda: trace(traceparent=f"00-{TRACE_ID}-{CALLER}-00")  # noqa: E731
    spans.write(created(traceparent=f"00-{TRACE_ID}-{CALLER}-00"))
    spans.write(attempt(1, trace=quiet))
    assert exporter.get_finished_spans() == ()


def test_the_sampler_decides_about_a_trace_that_begins_here(monkeypatch, exporter):
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_always_off")
    process.use(Spans(SimpleSpanProcessor(exporter)))
    try:
        assert process.begin(RUN, None).flags == "00"
        assert process.begin(RUN, incoming({"traceparent": PARENT})).flags == "01"
    finally:
        process.use(None)


def test_a_clock_that_ran_ahead_makes_no_span_that_ends_before_it_begins(spans, exporter):
    spans.write(attempt(1, since=NOW + timedelta(seconds=1)))
    (span,) = exporter.get_finished_spans()
    assert span.start_time == span.end_time


def test_a_forked_child_makes_an_exporter_of_its_own(spans):
    process.use(spans)
    try:
        child = os.fork()
        if not child:
            os._exit(0 if process._spans is None else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert process.spans() is spans
    finally:
        process.use(None)


def test_without_an_endpoint_neither_tracing_nor_an_exporter_is_imported():
    """redis-py imports the part of the SDK that measures, wherever it is installed."""
    script = (
        "import sys, django; django.setup()\n"
        "from workflows import tasks, telemetry\n"
        "from workflows.api import verbs\n"
        "telemetry.prepare(); telemetry.flush()\n"
        "telemetry.begin(__import__('uuid').uuid4(), None)\n"
        "ours = ('workflows.telemetry.spans', 'opentelemetry.sdk.trace.export', 'opentelemetry.exporter')\n"
        "sys.exit(', '.join(name for name in ours if name in sys.modules) or 0)"
    )
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "",
    }
    command = [sys.executable, "-c", script]
    asked = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (asked.returncode, asked.stderr) == (0, "")
