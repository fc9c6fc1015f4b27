"""What follows when an attempt did not succeed: retry later, give up, or undo. Inside the caller's transaction."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from outbox.append import Message
from workflows import events
from workflows.conf import conf
from workflows.engine.outcomes import ErrorInfo, Failed
from workflows.engine.plan import Plan
from workflows.engine.retry import GiveUp, RetryIn, RetryPolicy, judge
from workflows.models import Attempt, Run, Step
from workflows.services.journal import record
from workflows.services.undoing import begin_compensation, end_if_undone, needs_undo
from workflows.states import OUTCOME_UNKNOWN, AttemptKind, AttemptState

# The back-off of compensations: they have no policy of their own, and more patience than a forward step.
UNDO_BASE_SECONDS, UNDO_CAP_SECONDS = 1.0, 60.0

WORKER_LOST = ErrorInfo(
    code="worker-lost",
    detail="The worker that ran this step went away before it could finish.",
    retryable=True,
    error_class="WorkerLost",
)


def lose_attempt(run: Run, steps: Sequence[Step], step: Step, *, now: datetime, roll: float) -> None:
    """End the running attempt of a worker that vanished. Call it with run and steps locked."""
    end_attempt(
        run, steps, step, Failed(error=WORKER_LOST, attempt_state=AttemptState.LOST), now=now, roll=roll
    )


def end_attempt(
    run: Run, steps: Sequence[Step], step: Step, failure: Failed, *, now: datetime, roll: float
) -> None:
    """Record the failure of the step's running attempt and what follows from it, and announce both."""
    attempt = step.attempts.get(state=AttemptState.RUNNING)
    messages = [_close(attempt, step, failure, now=now)]
    kind = AttemptKind(attempt.kind)
    verdict = judge(failure, policy_of(run, step, kind), attempts_made=_made(run, step, attempt), roll=roll)
    if isinstance(verdict, RetryIn):
        verdict = RetryIn(min(verdict.seconds, conf().retry_after_max_seconds))
    if attempt.kind == AttemptKind.FORWARD:
        messages += _forward(run, steps, step, failure, verdict, now=now)
    else:
        messages += _undo(run, steps, step, failure, verdict, now=now)
    record(run.id, messages, now=now)


def policy_of(run: Run, step: Step, kind: AttemptKind) -> RetryPolicy:
    """The retry policy of the step's present round."""
    if kind == AttemptKind.UNDO:
        return RetryPolicy(max_attempts=conf().undo_attempts, base=UNDO_BASE_SECONDS, cap=UNDO_CAP_SECONDS)
    planned = Plan.from_json(run.plan).step(step.position)
    return RetryPolicy(max_attempts=planned.attempts, base=planned.base, cap=planned.cap)


def _made(run: Run, step: Step, attempt: Attempt) -> int:
    """Attempts of this round: a retry by hand begins a new one, with its own budget and its own back-off."""
    last = step.max_attempts if attempt.kind == AttemptKind.FORWARD else step.max_undo_attempts
    return attempt.number - (last - policy_of(run, step, AttemptKind(attempt.kind)).max_attempts)


def _close(attempt: Attempt, step: Step, failure: Failed, *, now: datetime) -> Message:
    error = failure.error.stored()
    event: type[events.AttemptFailedData | events.AttemptTimedOut | events.AttemptLost]
    match failure.attempt_state:
        case AttemptState.TIMED_OUT:
            attempt.time_out(error, now=now)
            event = events.AttemptTimedOut
        case AttemptState.LOST:
            attempt.lose(error, now=now)
            event = events.AttemptLost
        case _:
            attempt.fail(error, dict(failure.usage), now=now)
            event = events.AttemptFailedData
    attempt.save()
    data = event(
        kind=attempt.kind,
        worker=attempt.worker,
        duration_seconds=attempt.duration_seconds,
        error=events.OperatorError.of(failure.error),
    )
    return events.message(data, step=step.name, attempt=attempt.number)


def _forward(
    run: Run, steps: Sequence[Step], step: Step, failure: Failed, verdict: RetryIn | GiveUp, *, now: datetime
) -> list[Message]:
    unknown = failure.attempt_state in OUTCOME_UNKNOWN
    error = failure.error.stored()
    public = events.PublicError.of(failure.error)
    if isinstance(verdict, RetryIn):
        due_at = now + timedelta(seconds=verdict.seconds)
        step.retry_later(error, due_at=due_at, unknown=unknown)
        step.save()
        data = events.StepRetryScheduled(error=public, retry_at=due_at, max_attempts=step.max_attempts)
        return [events.message(data, step=step.name, attempt=step.attempt_count)]
    step.fail(error, now=now, unknown=unknown)
    step.save()
    failed = events.message(events.StepFailed(error=public), step=step.name, attempt=step.attempt_count)
    if Plan.from_json(run.plan).on_failure == "compensate" and needs_undo(steps):
        run.error = error
        return [failed, *begin_compensation(run, steps, now=now)]
    run.fail(error, now=now)
    run.save()
    return [failed, events.message(events.RunFailed(error=public, failed_step=step.name))]


def _undo(
    run: Run, steps: Sequence[Step], step: Step, failure: Failed, verdict: RetryIn | GiveUp, *, now: datetime
) -> list[Message]:
    error = failure.error.stored()
    if isinstance(verdict, RetryIn):
        step.undo_later(error, retry_at=now + timedelta(seconds=verdict.seconds))
        step.save()
        return []
    step.fail_compensation(error, now=now)
    step.save()
    failed = events.CompensationFailed(error=events.PublicError.of(failure.error))
    message = events.message(failed, step=step.name, attempt=step.undo_count)
    return [message, *end_if_undone(run, steps, now=now)]
