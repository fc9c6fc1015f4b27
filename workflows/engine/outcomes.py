"""What an attempt came to, and what follows from it: values, not exceptions. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from workflows.states import AttemptState


@dataclass(frozen=True, kw_only=True)
class ErrorInfo:
    """An error as it is stored and shown: a slug, a sentence, whether a retry may help, its class for operators."""

    code: str
    detail: str
    retryable: bool
    error_class: str = ""

    def public(self) -> dict[str, Any]:
        """The form in snapshots and public events: `{code, detail, retryable}`."""
        return {"code": self.code, "detail": self.detail, "retryable": self.retryable}

    def stored(self) -> dict[str, Any]:
        return {**self.public(), "error_class": self.error_class}


@dataclass(frozen=True, kw_only=True)
class Succeeded:
    """The handler returned. `output`: JSON value of its annotated type."""

    output: Any
    usage: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Failed:
    """The handler raised, its time ran out, or its worker vanished: `attempt_state` says which.

    outcome_unknown: the step may have had its effect all the same, or surely had it.
    """

    error: ErrorInfo
    attempt_state: AttemptState = AttemptState.FAILED
    outcome_unknown: bool = False
    retry_after_seconds: float = 0.0
    usage: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Stopped:
    """The handler noticed that its run is being cancelled and ended; how much it had done is unknown."""

    usage: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Fenced:
    """The lease was lost on the way: another attempt owns the step; there is nothing to settle."""


Settleable = Succeeded | Failed | Stopped
Outcome = Settleable | Fenced
