"""What follows when an attempt did not succeed: retry later, give up, or end as cancelled.

All inside the caller's transaction, with run and steps locked.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from outbox.append import Message
from outbox.conf import time_scale
from workflows import events
from workflows.conf import conf
from workflows.engine.outcomes import ErrorInfo, Failed, Stopped
from workflows.engine.plan import Plan
from workflows.engine.retry import GiveUp, RetryIn, RetryPolicy, Verdict, judge
from workflows.models import Attempt, Run, Step
from workflows.services.advance import advance
from workflows.services.journal import record
from workflows.states import OUTCOME_UNKNOWN, AttemptKind, AttemptState, RunState

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
    run: Run, steps: Sequence[Step], step: Step, outcome: Failed | Stopped, *, now: datetime, roll: float
) -> None:
    """Record how the step's running attempt ended, what follows from it for step and run, and announce all.

    steps: those of the plan; `step` is one of them, or a part.
    """
    attempt = step.attempts.get(state=AttemptState.RUNNING)
    messages = [_close(attempt, step, outcome, now=now)]
    if attempt.kind == AttemptKind.UNDO:
        assert isinstance(outcome, Failed)  # an undo is not cancelled
        messages += _fail_undo(run, step, attempt, outcome, now=now, roll=roll)
    elif isinstance(outcome, Stopped) or run.state == RunState.CANCELLING:
        messages.append(_cancel(step, now=now))
    else:
        messages += _fail_forward(run, step, attempt, outcome, now=now, roll=roll)
    messages += advance(run, steps, now=now).send(run, steps)
    record(run.id, messages, now=now)


def policy_of(run: Run, step: Step, kind: AttemptKind) -> RetryPolicy:
    """The retry policy of the step's present round."""
    if kind == AttemptKind.UNDO:
        return _policy(conf().undo_attempts, base=UNDO_BASE_SECONDS, cap=UNDO_CAP_SECONDS)
    planned = Plan.from_json(run.plan).step(step.position)
    return _policy(planned.attempts, base=planned.base, cap=planned.cap, persists=planned.retry_only)


def _policy(max_attempts: int, *, base: float, cap: float, persists: bool = False) -> RetryPolicy:
    scale = time_scale()
    return RetryPolicy(max_attempts=max_attempts, base=base * scale, cap=cap * scale, persists=persists)


def _judge(run: Run, step: Step, attempt: Attempt, failure: Failed, *, roll: float) -> Verdict:
    """Attempts count within their round: a retry by hand begins a new one, with its own budget and back-off."""
    kind = AttemptKind(attempt.kind)
    policy = policy_of(run, step, kind)
    last = step.max_attempts if kind == AttemptKind.FORWARD else step.max_undo_attempts
    made = attempt.number - (last - policy.max_attempts)
    if policy.persists and made >= policy.max_attempts:
        if _kills_its_workers(step, policy.max_attempts):
            return GiveUp(failure.error)
        made = attempt.number  # its last one moves along with it, and the back-off is still to grow
    verdict = judge(failure, policy, attempts_made=made, roll=roll)
    if not isinstance(verdict, RetryIn):
        return verdict
    budget = None if policy.persists else Plan.from_json(run.plan).retry_budget
    if kind == AttemptKind.FORWARD and budget is not None and run.retry_count >= budget:
        return GiveUp(failure.error)
    return RetryIn(min(verdict.seconds, conf().retry_after_max_seconds))


def _kills_its_workers(step: Step, times: int) -> bool:
    """Its last attempts, so many, each took a worker with it: others must not lose theirs to it for ever."""
    tries = step.attempts.filter(kind=AttemptKind.FORWARD).order_by("-number")
    return set(tries.values_list("state", flat=True)[:times]) == {AttemptState.LOST}


def _close(attempt: Attempt, step: Step, outcome: Failed | Stopped, *, now: datetime) -> Message:
    usage = dict(outcome.usage)
    if isinstance(outcome, Stopped):
        attempt.cancel(usage, now=now)
        attempt.save()
        ended = events.AttemptCancelled(
            kind=attempt.kind, worker=attempt.worker, duration_seconds=attempt.duration_seconds
        )
        return events.message(ended, step=step.name, attempt=attempt.number)
    error = outcome.error.stored()
    event: type[events.AttemptFailedData | events.AttemptTimedOut | events.AttemptLost]
    match outcome.attempt_state:
        case AttemptState.TIMED_OUT:
            attempt.time_out(error, now=now)
            event = events.AttemptTimedOut
        case AttemptState.LOST:
            attempt.lose(error, now=now)
            event = events.AttemptLost
        case _:
            attempt.fail(error, usage, now=now)
            event = events.AttemptFailedData
    attempt.save()
    data = event(
        kind=attempt.kind,
        worker=attempt.worker,
        duration_seconds=attempt.duration_seconds,
        error=events.OperatorError.of(outcome.error),
    )
    return events.message(data, step=step.name, attempt=attempt.number)


def _cancel(step: Step, *, now: datetime) -> Message:
    """The body was interrupted somewhere, so nobody knows how much of its effect it had."""
    step.cancel(now=now, unknown=True)
    step.save()
    cancelled = events.StepCancelled(reason="The run was cancelled.")
    return events.message(cancelled, step=step.name, attempt=step.attempt_count)


def _fail_forward(
    run: Run, step: Step, attempt: Attempt, failure: Failed, *, now: datetime, roll: float
) -> list[Message]:
    unknown = failure.outcome_unknown or failure.attempt_state in OUTCOME_UNKNOWN
    error, public = failure.error.stored(), events.PublicError.of(failure.error)
    verdict = _judge(run, step, attempt, failure, roll=roll)
    if isinstance(verdict, RetryIn):
        retry_at = now + timedelta(seconds=verdict.seconds)
        step.retry_later(error, due_at=run.by_deadline(retry_at), unknown=unknown)
        step.save()
        if run.is_stopping:  # another step has failed: this one is put back for the next round
            return []
        run.retry_count += 1
        run.save(update_fields=["retry_count"])
        data = events.StepRetryScheduled(error=public, retry_at=retry_at, max_attempts=step.max_attempts)
        return [events.message(data, step=step.name, attempt=step.attempt_count)]
    step.fail(error, now=now, unknown=unknown)
    step.save()
    run.error = run.error or error  # the first fault is the run's; from now on it stops
    return [events.message(events.StepFailed(error=public), step=step.name, attempt=step.attempt_count)]


def _fail_undo(
    run: Run, step: Step, attempt: Attempt, failure: Failed, *, now: datetime, roll: float
) -> list[Message]:
    error = failure.error.stored()
    verdict = _judge(run, step, attempt, failure, roll=roll)
    if isinstance(verdict, RetryIn):
        step.undo_later(error, retry_at=now + timedelta(seconds=verdict.seconds))
        step.save()
        return []
    step.fail_compensation(error, now=now)
    step.save()
    failed = events.CompensationFailed(error=events.PublicError.of(failure.error))
    return [events.message(failed, step=step.name, attempt=step.undo_count)]
