"""The W3C trace context of a run: taken up or made at its start, stored with it, the parent of all its spans.

Pure, and without OpenTelemetry: a run that starts where nothing is exported is traced all the same by a worker that
exports. Span ids that somebody else must name later (the run's own, an attempt's) are computed, not stored: so the
sweeper can write the span of an attempt whose worker died, and the next attempt can point at it.
"""

import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from uuid import UUID

# A later version may append fields; version ff is invalid.
TRACEPARENT = re.compile(r"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
TRACESTATE_MAX_CHARS = 512
TRACESTATE_MAX_MEMBERS = 32
# One of `tracestate`, by W3C Trace Context: a vendor's key, or tenant@vendor, and what it says.
MEMBER = re.compile(
    r"([a-z][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13})"
    r"=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
)
SAMPLED = 0x01
KNOWN_FLAGS = 0x03


@dataclass(frozen=True, kw_only=True)
class Trace:
    """A span's place: 32 and 16 hex digits, two of flags. caller: the id of the span that asked for the run, or ""."""

    trace_id: str
    span_id: str
    flags: str = "01"
    state: str = ""
    caller: str = ""

    @property
    def traceparent(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"

    def to_json(self) -> dict[str, str]:
        fields = {"traceparent": self.traceparent, "tracestate": self.state, "caller": self.caller}
        return {name: value for name, value in fields.items() if value}


def incoming(headers: Mapping[str, str]) -> Trace | None:
    """The caller's context from `traceparent` and `tracestate`; None without one, or with one that is malformed."""
    return _parse(headers.get("traceparent", ""), headers.get("tracestate", ""))


def begin(run_id: UUID, caller: Trace | None, *, is_sampled: Callable[[str], bool]) -> Trace:
    """The context of a new run: in its caller's trace, else in one of its own, exported if `is_sampled(trace_id)`."""
    span_id = _digest(f"run {run_id}", digits=16)
    if caller is None:
        trace_id = secrets.token_hex(16)
        flags = f"{SAMPLED if is_sampled(trace_id) else 0:02x}"
        return Trace(trace_id=trace_id, span_id=span_id, flags=flags)
    return Trace(
        trace_id=caller.trace_id,
        span_id=span_id,
        flags=caller.flags,
        state=caller.state,
        caller=caller.span_id,
    )


def of_run(run_id: UUID, stored: Mapping[str, Any] | None) -> Trace:
    """The context as it was stored. A run from before there were any has one that everybody computes alike."""
    kept = stored or {}
    found = _parse(kept.get("traceparent", ""), kept.get("tracestate", ""), caller=kept.get("caller", ""))
    if found is not None:
        return found
    trace_id = _digest(f"trace {run_id}", digits=32)
    return Trace(trace_id=trace_id, span_id=_digest(f"run {run_id}", digits=16))


def attempt_span_id(step_id: UUID, kind: str, number: int) -> str:
    """The id of the span of one attempt."""
    return _digest(f"{kind} {number} of {step_id}", digits=16)


def _parse(traceparent: str, tracestate: str, *, caller: str = "") -> Trace | None:
    match = TRACEPARENT.fullmatch(traceparent.strip())
    if match is None or (match[1] == "00" and match[5]):
        return None
    trace_id, span_id = match[2], match[3]
    if not trace_id.strip("0") or not span_id.strip("0"):
        return None
    state = tracestate.strip()
    return Trace(
        trace_id=trace_id,
        span_id=span_id,
        flags=f"{int(match[4], 16) & KNOWN_FLAGS:02x}",
        state=state if _is_standard(state) else "",
        caller=caller,
    )


def _is_standard(state: str) -> bool:
    """Whether it may be stored and passed on; whatever else a caller put there may be anything."""
    members = [member for member in (part.strip(" \t") for part in state.split(",")) if member]
    matches = [MEMBER.fullmatch(member) for member in members]
    keys = {match[1] for match in matches if match is not None}
    return len(state) <= TRACESTATE_MAX_CHARS and len(keys) == len(members) <= TRACESTATE_MAX_MEMBERS


def _digest(text: str, *, digits: int) -> str:
    return sha256(text.encode()).hexdigest()[:digits]
