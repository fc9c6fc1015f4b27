"""The states of runs, steps and attempts: one vocabulary in database, API, page and command line.

    run    pending ─▶ running ◀─▶ waiting ─▶ completed ─────────────────┐
              │          │           │                                  ▼
              │          ├───────────┴─▶ failed ────────────────▶ compensating ─▶ compensated
              ▼          ▼                 │ (retry: running)       ▲     │ ▲
           cancelling ◀──┘                 ▼                        │     ▼ │ (undo again)
              ├─(keep)─▶ cancelled ─(retry: running)                │  compensation_failed
              └─(undo)──────────────────────────────────────────────┘

    step   pending ◀─▶ ready ─▶ running ─▶ completed ─▶ compensating ─▶ compensated
              │          ▲         ├─▶ retrying ─▶ ready      └─▶ compensation_failed ─▶ compensating
              │          │         ├─▶ failed ────▶ compensating (its outcome is unknown)
              │          └─(retry)─┘       └─▶ skipped
              ├─▶ waiting ─▶ completed, failed, skipped
              └─▶ skipped; any open state ─▶ cancelled

A terminal state ends a round, not the log: `failed`, `cancelled` and `compensation_failed` can be resumed, and what is
completed can be undone. A step goes back to `pending` when its run stops before it began, or is retried from an
earlier step.
"""

from django.db.models import TextChoices


class RunState(TextChoices):
    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    COMPENSATING = "compensating"
    COMPENSATED = "compensated"
    COMPENSATION_FAILED = "compensation_failed"


class StepState(TextChoices):
    PENDING = "pending"
    READY = "ready"
    RUNNING = "running"
    RETRYING = "retrying"
    WAITING = "waiting"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
    COMPENSATING = "compensating"
    COMPENSATED = "compensated"
    COMPENSATION_FAILED = "compensation_failed"


class AttemptState(TextChoices):
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    LOST = "lost"
    CANCELLED = "cancelled"


class StepKind(TextChoices):
    """What a row of the plan is: a handler, a wait for a signal or a time, or the join of a fan-out's parts."""

    STEP = "step"
    WAIT = "wait"
    FAN_OUT = "fan_out"


class AttemptKind(TextChoices):
    FORWARD = "forward"
    UNDO = "undo"


RUN_TERMINAL = frozenset(
    {
        RunState.COMPLETED,
        RunState.FAILED,
        RunState.CANCELLED,
        RunState.COMPENSATED,
        RunState.COMPENSATION_FAILED,
    }
)

STEP_TERMINAL = frozenset(
    {
        StepState.COMPLETED,
        StepState.FAILED,
        StepState.SKIPPED,
        StepState.CANCELLED,
        StepState.COMPENSATED,
        StepState.COMPENSATION_FAILED,
    }
)

# A run that works forward: it may still be cancelled, and its deadline holds.
RUN_FORWARD = frozenset({RunState.PENDING, RunState.RUNNING, RunState.WAITING})

# A step whose successor may start.
STEP_DONE = frozenset({StepState.COMPLETED, StepState.SKIPPED})

# A step that is being undone, or was.
STEP_UNDO = frozenset({StepState.COMPENSATING, StepState.COMPENSATED, StepState.COMPENSATION_FAILED})

# After these nobody knows whether the step had its effect, so its undo runs too.
OUTCOME_UNKNOWN = frozenset({AttemptState.TIMED_OUT, AttemptState.LOST})
