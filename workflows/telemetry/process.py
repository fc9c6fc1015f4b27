"""The exporter of this process: made when its first span is, and made anew in a child after a fork.

Without an endpoint neither tracing nor an exporter is even imported.
"""

import atexit
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING
from uuid import UUID

from django.conf import settings

from workflows.telemetry import trace as traces
from workflows.telemetry.trace import Trace

if TYPE_CHECKING:
    from workflows.telemetry.spans import Spans

logger = logging.getLogger(__name__)

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
# At the end of a process. A collector that is away costs no more, and then what it did not take.
FLUSH_SECONDS = 3.0

_lock = threading.Lock()
_spans: "Spans | None" = None
_is_broken = False  # it could not be made, and nobody tries again


def spans() -> "Spans | None":
    """What writes this process's spans; None without an endpoint, or when it cannot be made. Never raises."""
    if _spans is not None or _is_broken or not getattr(settings, ENDPOINT, ""):
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
    global _spans, _is_broken
    _spans, _is_broken = replacement, False


def faults() -> list[str]:
    """`<variable>: <what is wrong>` for each that keeps the exporter from being made; for a process without threads.

    Which it is the SDK does not say: each is tried without the others.
    """
    if not getattr(settings, ENDPOINT, ""):
        return []
    names = sorted(name for name in os.environ if name.startswith("OTEL_"))
    fault = _fault_with(names)
    if fault is None:
        return []
    alone = [(name, _fault_with([name])) for name in names]
    return [f"{name}: {its}" for name, its in alone if its is not None] or [f"{', '.join(names)}: {fault}"]


@contextmanager
def working(trace: Trace, *, step_id: UUID, kind: str, number: int) -> Iterator[None]:
    """While a handler works: spans that its libraries write become children of the attempt's."""
    current = spans()
    with ExitStack() as span:
        if current is not None:
            try:
                span.enter_context(current.working(trace, step_id=step_id, kind=kind, number=number))
            except Exception as error:  # the step has been taken: it is worked on, seen or unseen
                logger.warning(
                    "no span to work in", extra={"step_id": str(step_id), "error": type(error).__name__}
                )
        yield


def begin(run_id: UUID, caller: Trace | None) -> Trace:
    """The context of a new run; OTEL_TRACES_SAMPLER decides about a trace that begins here, if spans are exported."""
    return traces.begin(run_id, caller, is_sampled=_is_sampled)


def _is_sampled(trace_id: str) -> bool:
    current = spans()
    return current is None or current.is_sampled(trace_id)


def _make() -> "Spans | None":
    global _spans, _is_broken
    try:
        from workflows.telemetry.spans import Spans  # the SDK is large: only who exports pays for it

        _spans = Spans.to_collector()
    except Exception as error:  # of a variable's value, which must cost no run
        _is_broken = True
        logger.error(
            "spans are not exported: `manage.py check` says which variable is bad",
            extra={"error": type(error).__name__},
        )
    return _spans


def _fault_with(names: list[str]) -> Exception | None:
    """What making an exporter raises when of all OTEL_… variables only these are set."""
    from workflows.telemetry.spans import Spans

    left_out = {
        name: os.environ.pop(name)
        for name in list(os.environ)
        if name.startswith("OTEL_") and name not in names
    }
    try:
        Spans.to_collector().close()
    except Exception as error:
        return error
    finally:
        os.environ.update(left_out)
    return None


def _after_fork() -> None:
    """The parent's exporter has its threads, and its unsent spans, in the parent."""
    global _lock, _spans, _is_broken
    _lock, _spans, _is_broken = threading.Lock(), None, False


os.register_at_fork(after_in_child=_after_fork)
atexit.register(flush)
