"""The states of runs, steps and attempts: one vocabulary in database, API, page and command line.

    run    pending ─▶ running ─▶ completed ──────────────┐
                        │  ▲                             ▼
                        ▼  └─(retry)─ failed ─▶ compensating ─▶ compensated
                      failed                      │   ▲
                                                  ▼   │(undo again)
                                           compensation_failed

    step   pending ─▶ ready ─▶ running ─▶ completed ─▶ compensating ─▶ compensated
                        ▲         ├─▶ retrying ─▶ ready      └─▶ compensation_failed ─▶ compensating
                        │         └─▶ failed ─▶ compensating (its outcome is unknown)
                        └───(retry)─────┘

A terminal state ends a round, not the log: `failed` and `compensation_failed` can be resumed, and what is
completed can be undone. `waiting`, `cancelling`, `cancelled` and `skipped` belong to the vocabulary that clients
rely on; they are entered by waiting steps, cancellation and skipping.
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

# A step whose successor may start.
STEP_DONE = frozenset({StepState.COMPLETED, StepState.SKIPPED})

# After these nobody knows whether the step had its effect, so its undo runs too.
OUTCOME_UNKNOWN = frozenset({AttemptState.TIMED_OUT, AttemptState.LOST})
