"""The right to work on a step, as a value. Pure."""

from dataclasses import dataclass
from uuid import UUID

from workflows.engine.retry import RetryPolicy
from workflows.states import AttemptKind
from workflows.telemetry import Trace


@dataclass(frozen=True, kw_only=True)
class Lease:
    """What a worker holds while it works on an attempt; every write proves `token`. `number` counts within `kind`."""

    step_id: UUID
    run_id: UUID
    step_name: str
    handler: str  # the name of its declaration: a part of a fan-out has that of its step
    workflow: str
    version: int
    token: UUID
    kind: AttemptKind
    number: int
    policy: RetryPolicy
    trace: Trace  # of its run

    def __str__(self) -> str:
        """What the attempt is at: `charge.forward`, `charge.undo`."""
        return f"{self.step_name}.{self.kind}"
