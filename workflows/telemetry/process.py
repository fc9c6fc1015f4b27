"""The exporter of this process: made when its first span is, and made anew in a child after a fork.

Without an endpoint neither tracing nor an exporter is even imported.
"""

import atexit
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import UUID

from django.conf import settings

from workflows.telemetry import trace as traces
from workflows.telemetry.trace import Trace

if TYPE_CHECKING:
    from workflows.telemetry.spans import Spans

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
# At the end of a process. A collector that is away costs no more, and then what it did not take.
FLUSH_SECONDS = 3.0

_lock = threading.Lock()
_spans: "Spans | None" = None


def spans() -> "Spans | None":
    """What writes this process's spans; None without an endpoint."""
    if _spans is not None or not getattr(settings, ENDPOINT, ""):
        return _spans
    with _lock:
        return _spans or _make()


def prepare() -> None:
    """Make the exporter now rather than at the first span: the import takes a moment."""
    spans()


def flush() -> None:
    """Send what waits; at the end of a process, where its batches would be lost. Takes FLUSH_SECONDS at most."""
    if _spans is None:
        return
    # The exporter tries again for longer than a process may take to end, and heeds no time limit.
    thread = threading.Thread(target=_spans.flush, name="last-spans", daemon=True)
    thread.start()
    thread.join(FLUSH_SECONDS)


def use(replacement: "Spans | None") -> None:
    """Put something in the exporter's place; None: made from the settings when it is needed."""
    global _spans
    _spans = replacement


@contextmanager
def working(trace: Trace, *, step_id: UUID, kind: str, number: int) -> Iterator[None]:
    """While a handler works: spans that its libraries write become children of the attempt's."""
    current = spans()
    if current is None:
        yield
        return
    with current.working(trace, step_id=step_id, kind=kind, number=number):
        yield


def begin(run_id: UUID, caller: Trace | None) -> Trace:
    """The context of a new run; OTEL_TRACES_SAMPLER decides about a trace that begins here, if spans are exported."""
    return traces.begin(run_id, caller, is_sampled=_is_sampled)


def _is_sampled(trace_id: str) -> bool:
    current = spans()
    return current is None or current.is_sampled(trace_id)


def _make() -> "Spans":
    global _spans
    from workflows.telemetry.spans import Spans  # the SDK is large: only who exports pays for it

    _spans = Spans.to_collector()
    return _spans


def _after_fork() -> None:
    """The parent's exporter has its threads, and its unsent spans, in the parent."""
    global _lock, _spans
    _lock, _spans = threading.Lock(), None


os.register_at_fork(after_in_child=_after_fork)
atexit.register(flush)
