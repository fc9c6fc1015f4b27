"""Record what an attempt came to and open what follows: one fenced commit."""

import logging
import time
from datetime import datetime
from uuid import UUID

from django.db import transaction

from outbox.append import Message
from outbox.clock import Clock
from outbox.connections import PASSING, drop_broken
from outbox.failpoints import failpoint
from workflows import events
from workflows.engine.lease import Lease
from workflows.engine.outcomes import ErrorInfo, Failed, Settleable, Succeeded
from workflows.errors import LeaseLost
from workflows.models import Run, Step
from workflows.services import outputs
from workflows.services.advance import Moves, advance
from workflows.services.failing import end_attempt
from workflows.services.journal import record
from workflows.states import AttemptKind, AttemptState

logger = logging.getLogger(__name__)

# A database that restarts is back within this many tries; the lease outlives them.
SETTLE_TRIES = 6
SETTLE_PAUSE_SECONDS = 1.0

UNSETTLED = ErrorInfo(
    code="unsettled",
    detail="The step's result could not be stored.",
    retryable=False,
    error_class="Unsettled",
)


def settle_for_certain(
    lease: Lease, outcome: Settleable, *, clock: Clock, roll: float
) -> tuple[Settleable, list[UUID]]:
    """Settle, so that no finished work is thrown away. Returns what was settled, and the steps that became ready.

    A connection that died meanwhile is opened anew; a commit whose answer was lost shows as LeaseLost, since it
    took the token. An outcome that the database refuses is settled as failed: doing it again would not help.
    """
    for left in reversed(range(SETTLE_TRIES)):
        drop_broken()
        try:
            return outcome, settle(lease, outcome, clock=clock, roll=roll)
        except PASSING as error:
            if not left:
                raise
            logger.warning("not settled yet", extra={"run": str(lease.run_id), "error": type(error).__name__})
            time.sleep(SETTLE_PAUSE_SECONDS)
        except LeaseLost:
            raise
        except Exception:
            logger.exception("outcome refused", extra={"run": str(lease.run_id), "step": lease.step_name})
            outcome = Failed(error=UNSETTLED)
            return outcome, settle(lease, outcome, clock=clock, roll=roll)
    raise AssertionError("unreachable: the last try returns or raises")


def settle(lease: Lease, outcome: Settleable, *, clock: Clock, roll: float) -> list[UUID]:
    """Settle the attempt of `lease`. Returns the ids of steps that became acquirable, in order of position.

    roll: uniform draw in [0, 1) for the back-off. Raises LeaseLost when another attempt owns the step by now;
    nothing is written then.
    """
    failpoint("workflows.settle.before", lease)
    kept = outputs.keep(lease, outcome.output) if isinstance(outcome, Succeeded) else None
    try:
        opened = _commit(lease, outcome, kept, clock=clock, roll=roll)
    except LeaseLost:
        if kept is not None:
            outputs.discard(kept)
        raise
    failpoint("workflows.settle.committed", lease)
    return opened


def _commit(
    lease: Lease, outcome: Settleable, kept: outputs.Kept | None, *, clock: Clock, roll: float
) -> list[UUID]:
    with transaction.atomic(durable=True):
        run = Run.objects.locked(lease.run_id)
        Step.objects.fence(lease.step_id, lease.token)
        steps = Step.objects.locked(lease.run_id)
        step = Step.objects.under_lock(steps, lease.step_id)
        now = clock.now()
        if not isinstance(outcome, Succeeded) or kept is None:
            assert not isinstance(outcome, Succeeded)  # keep() was asked for every success
            end_attempt(run, steps, step, outcome, now=now, roll=roll)
            failpoint("workflows.settle.written", lease)
            return []
        messages = [_complete_attempt(step, outcome, now=now)]
        if lease.kind == AttemptKind.FORWARD:
            messages.append(_complete_step(step, kept, now=now))
        else:
            messages.append(_complete_undo(step, now=now))
        moves: Moves = advance(run, steps, now=now)
        record(run.id, [*messages, *moves.messages], now=now)
        failpoint("workflows.settle.written", lease)
    return [step.id for step in moves.opened]


def _complete_attempt(step: Step, outcome: Succeeded, *, now: datetime) -> Message:
    attempt = step.attempts.get(state=AttemptState.RUNNING)
    attempt.complete(dict(outcome.usage), now=now)
    attempt.save()
    data = events.AttemptCompleted(
        kind=attempt.kind, worker=attempt.worker, duration_seconds=attempt.duration_seconds
    )
    return events.message(data, step=step.name, attempt=attempt.number)


def _complete_step(step: Step, kept: outputs.Kept, *, now: datetime) -> Message:
    step.complete(kept.value, now=now, file=kept.file)
    step.save()
    assert step.started_at is not None  # begin() set it
    data = events.StepCompleted(
        items_count=step.items_count,
        output=kept.blob,
        duration_seconds=(now - step.started_at).total_seconds(),
    )
    return events.message(data, step=step.name, attempt=step.attempt_count)


def _complete_undo(step: Step, *, now: datetime) -> Message:
    step.end_compensation(now=now)
    step.save()
    return events.message(events.CompensationCompleted(), step=step.name, attempt=step.undo_count)
