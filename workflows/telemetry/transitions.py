"""What a transition tells once it is committed: one log line, and one span where spans are exported.

    message           span                        `duration_seconds`, and length of the span
    run.<state>       `run.<state> <workflow>`    leaves pending: since it was made; ends: since it began
    step.<state>      `step.<state> <step>`       is taken: since it was ready; ends: since its first attempt
    parts.<state>     `parts.<state> <step>`      none: parts of a fan-out that move in one statement
    attempt.<state>   `attempt <step>`, one       ends: since it began

Fields: run, step, attempt, kind, from, to, act (the machine's method), parts, error_code, workflow, trace_id. Ids,
names, states and numbers only. A run that is made is `run.pending`; its steps are made with it, untold.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

from django.db import transaction

from workflows.telemetry import process
from workflows.telemetry.trace import Trace

logger = logging.getLogger("workflows.transitions")


@dataclass(frozen=True, kw_only=True)
class Transition:
    """A row went from `source` (None: it was made) to `target`, by `act`.

    at: when, None: now. since: when the time began that ends here. trace: reads the run's context, only if it is asked.
    attempt: its number, or how many the step has had. parts: how many moved together. step_id: of an attempt.
    """

    machine: Literal["run", "step", "parts", "attempt"]
    run_id: UUID
    target: str
    trace: Callable[[], Trace]
    source: str | None = None
    act: str | None = None
    at: datetime | None = None
    since: datetime | None = None
    workflow: str | None = None
    step: str | None = None
    step_id: UUID | None = None
    attempt: int | None = None
    kind: str | None = None
    parts: int | None = None
    error_code: str | None = None
    trace_id: str | None = None

    @property
    def name(self) -> str:
        return f"{self.machine}.{self.target}"

    @property
    def ended_at(self) -> datetime:
        return self.at or datetime.now(UTC)

    def fields(self) -> dict[str, Any]:
        """What the log line says beside its message."""
        told = {
            "run": str(self.run_id),
            "step": self.step,
            "attempt": self.attempt,
            "kind": self.kind,
            "from": self.source,
            "to": self.target,
            "act": self.act,
            "parts": self.parts,
            "duration_seconds": self._duration(),
            "error_code": self.error_code,
            "workflow": self.workflow,
            "trace_id": self.trace_id,
        }
        return {name: value for name, value in told.items() if value is not None}

    def _duration(self) -> float | None:
        if self.since is None:
            return None
        return round(max(0.0, (self.ended_at - self.since).total_seconds()), 3)


def announce(change: Transition) -> None:
    """Tell of `change` after the commit; one that is rolled back is told by nobody."""
    # Robust: neither a log nor a collector may turn a committed request into an error. No partial: Django names in its
    # log the function that failed, and would fail there itself.
    transaction.on_commit(lambda: _tell(change), robust=True)


def _tell(change: Transition) -> None:
    logger.info(change.name, extra=change.fields())
    try:
        spans = process.spans()
        if spans is not None:
            spans.write(change)
    except Exception as error:  # of whatever SDK: a line has told it
        logger.warning("span not written", extra={"run": str(change.run_id), "error": type(error).__name__})
