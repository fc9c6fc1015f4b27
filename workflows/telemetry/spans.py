"""Transitions as OpenTelemetry spans. Everything of the SDK is here.

All spans of a run are children of its first, `run.pending`, whose context is stored with the run; that one is a child
of the caller's, if there was one. An attempt's span has an id that everybody can compute, so the handler's own spans
hang below it before it is written, and the next attempt links to it.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

from opentelemetry import trace as otel
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
)

from workflows.states import AttemptState, RunState, StepState
from workflows.telemetry.trace import Trace, attempt_span_id

if TYPE_CHECKING:
    from workflows.telemetry.transitions import Transition

BAD = {
    *(RunState.FAILED, RunState.COMPENSATION_FAILED),
    *(StepState.FAILED, StepState.COMPENSATION_FAILED),
    *(AttemptState.FAILED, AttemptState.TIMED_OUT, AttemptState.LOST),
}
ATTRIBUTES = {
    "longhaul.run": "run",
    "longhaul.workflow": "workflow",
    "longhaul.step": "step",
    "longhaul.attempt": "attempt",
    "longhaul.kind": "kind",
    "longhaul.from": "from",
    "longhaul.to": "to",
    "longhaul.act": "act",
    "longhaul.parts": "parts",
    "longhaul.duration_seconds": "duration_seconds",
    "error.type": "error_code",
}


class ChosenIds(RandomIdGenerator):
    """Random ids, but for a span whose ids are known beforehand: (trace, span)."""

    def __init__(self) -> None:
        self.chosen: ContextVar[tuple[int, int] | None] = ContextVar("chosen", default=None)

    def generate_trace_id(self) -> int:
        chosen = self.chosen.get()
        return super().generate_trace_id() if chosen is None else chosen[0]

    def generate_span_id(self) -> int:
        chosen = self.chosen.get()
        return super().generate_span_id() if chosen is None else chosen[1]


class Spans:
    """Writes spans to `processor`; the sampler is that of OTEL_TRACES_SAMPLER."""

    def __init__(self, processor: SpanProcessor) -> None:
        self._ids = ChosenIds()
        named = Resource(
            {"service.name": "longhaul", "longhaul.process": os.environ.get("PROCESS_NAME", "python")}
        )
        self._provider = TracerProvider(
            id_generator=self._ids,
            resource=named.merge(OTELResourceDetector().detect()),
            shutdown_on_exit=False,  # it would wait half a minute for a collector that is away; see `process.flush`
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("longhaul.workflows")

    @classmethod
    def to_collector(cls) -> Self:
        """Batches to the endpoint, as the standard OTEL_EXPORTER_OTLP_… variables say."""
        return cls(BatchSpanProcessor(OTLPSpanExporter()))

    def flush(self) -> None:
        self._provider.force_flush()

    def close(self) -> None:
        self._provider.shutdown()

    def is_sampled(self, trace_id: str) -> bool:
        verdict = self._provider.sampler.should_sample(Context(), int(trace_id, 16), "run.pending")
        return verdict.decision == Decision.RECORD_AND_SAMPLE

    def write(self, change: "Transition") -> None:
        """The span of one transition, which is over when it is written."""
        if change.machine == "attempt" and change.target == AttemptState.RUNNING:
            return  # told by the span of its whole life
        trace = change.trace()
        token = self._ids.chosen.set(_chosen(change, trace))
        try:
            span = self._tracer.start_span(
                _name(change),
                context=_parent(change, trace),
                attributes=_attributes(change),
                links=_links(change, trace),
                start_time=_nanoseconds(min(change.since or change.ended_at, change.ended_at)),
            )
        finally:
            self._ids.chosen.reset(token)
        if change.target in BAD:
            span.set_status(Status(StatusCode.ERROR, change.error_code))
        span.end(_nanoseconds(change.ended_at))

    @contextmanager
    def working(self, trace: Trace, *, step_id: UUID, kind: str, number: int) -> Iterator[None]:
        """Make the attempt's span the current one. It is written when the attempt ends, by whoever settles it."""
        context = _span_context(trace, attempt_span_id(step_id, kind, number), is_remote=False)
        with otel.use_span(NonRecordingSpan(context)):
            yield


def _name(change: "Transition") -> str:
    """Of few kinds: without the numbers of parts, the states of attempts and all ids."""
    if change.machine == "run":
        return f"{change.name} {change.workflow}"
    step = (change.step or "").partition("[")[0]
    return f"attempt {step}" if change.machine == "attempt" else f"{change.name} {step}"


def _chosen(change: "Transition", trace: Trace) -> tuple[int, int] | None:
    if change.machine == "run" and change.source is None:
        return int(trace.trace_id, 16), int(trace.span_id, 16)
    if change.machine == "attempt":
        return int(trace.trace_id, 16), int(_attempt_span(change, before=0), 16)
    return None


def _parent(change: "Transition", trace: Trace) -> Context:
    is_first = change.machine == "run" and change.source is None
    parent = trace.caller if is_first else trace.span_id
    if not parent:
        return Context()
    return otel.set_span_in_context(NonRecordingSpan(_span_context(trace, parent)), Context())


def _links(change: "Transition", trace: Trace) -> list[Link]:
    """From an attempt to the one before it."""
    if change.machine != "attempt" or (change.attempt or 1) == 1:
        return []
    return [Link(_span_context(trace, _attempt_span(change, before=1)))]


def _attempt_span(change: "Transition", *, before: int) -> str:
    assert change.step_id is not None  # an attempt says of which step
    return attempt_span_id(change.step_id, change.kind or "", (change.attempt or 1) - before)


def _span_context(trace: Trace, span_id: str, *, is_remote: bool = True) -> SpanContext:
    return SpanContext(
        trace_id=int(trace.trace_id, 16),
        span_id=int(span_id, 16),
        is_remote=is_remote,
        trace_flags=TraceFlags(int(trace.flags, 16)),
        trace_state=TraceState.from_header([trace.state] if trace.state else []),
    )


def _attributes(change: "Transition") -> dict[str, Any]:
    fields = change.fields()
    return {name: fields[field] for name, field in ATTRIBUTES.items() if field in fields}


def _nanoseconds(moment: datetime) -> int:
    """Since 1970; a float of seconds would be off by some hundred nanoseconds, which is nothing to a span."""
    return int(moment.timestamp() * 1_000_000) * 1_000
