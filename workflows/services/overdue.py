"""What is over without anybody doing it: a run's deadline, a wait's time-out."""

from collections.abc import Sequence
from datetime import datetime

from workflows import events
from workflows.engine.outcomes import ErrorInfo, Failed
from workflows.engine.plan import Plan
from workflows.models import Run, Step
from workflows.services.advance import advance
from workflows.services.answering import complete_wait
from workflows.services.failing import end_attempt
from workflows.services.journal import record
from workflows.states import AttemptState, StepKind

DEADLINE_PASSED = ErrorInfo(
    code="run-deadline-passed",
    detail="The run took longer than it may.",
    retryable=False,
    error_class="DeadlinePassed",
)
WAIT_TIMED_OUT = ErrorInfo(
    code="wait-timed-out",
    detail="Nobody answered in time.",
    retryable=False,
    error_class="TimedOut",
)


def expire_run(run: Run, steps: Sequence[Step], *, now: datetime, roll: float) -> None:
    """End a run at its deadline: what is at work is fenced off, nothing is retried. Run and steps are locked."""
    run.error = DEADLINE_PASSED.stored()
    run.save(update_fields=["error"])
    failure = Failed(error=DEADLINE_PASSED, attempt_state=AttemptState.TIMED_OUT)
    for step in _held(steps):
        end_attempt(run, steps, step, failure, now=now, roll=roll)
    if not run.is_terminal and run.is_stopping:
        moves = advance(run, steps, now=now)
        if moves.messages:
            record(run.id, moves.send(run, steps), now=now)


def _held(steps: Sequence[Step]) -> list[Step]:
    """What is at work. Parts are locked, all of them before the first event: a part's own writes lock its row, then the
    run's stream, so the other order would be a deadlock.
    """
    held = [step for step in steps if step.lease_token is not None]
    for step in steps:
        if step.kind == StepKind.FAN_OUT:
            held += Step.objects.held_parts(step)
    return held


def expire_wait(run: Run, steps: Sequence[Step], step: Step, *, now: datetime) -> None:
    """Nobody answered: the wait fails and the run stops, or it completes with None, as its plan says."""
    if Plan.from_json(run.plan).step(step.position).on_timeout == "continue":
        record(run.id, complete_wait(run, steps, step, None, now=now), now=now)
        return
    step.fail(WAIT_TIMED_OUT.stored(), now=now, unknown=False)
    step.save()
    run.error = run.error or WAIT_TIMED_OUT.stored()
    failed = events.StepFailed(error=events.PublicError.of(WAIT_TIMED_OUT))
    moves = advance(run, steps, now=now)
    record(run.id, [events.message(failed, step=step.name), *moves.send(run, steps)], now=now)
