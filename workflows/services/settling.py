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
NOT_KEPT = ErrorInfo(
    code="output-not-kept",
    detail="The storage did not take the step's large result.",
    retryable=True,
    error_class="OutputNotKept",
)


def settle_for_certain(
    lease: Lease, outcome: Settleable, *, clock: Clock, roll: float
) -> tuple[Settleable, list[UUID]]:
    """Settle, so that no finished work is thrown away. Returns what was settled, and the steps that became ready.

    A connection that died meanwhile is opened anew; a commit whose answer was lost shows as LeaseLost, since it
    took the token. A result that the storage or the database refuses is settled as failed, with an unknown outcome:
    the body did its work, so its undo must know of it.
    """
    outcome, kept = _keep_for_certain(lease, outcome)
    for left in reversed(range(SETTLE_TRIES)):
        drop_broken()
        try:
            return outcome, _settle(lease, outcome, kept, clock=clock, roll=roll)
        except PASSING as error:
            if not left:
                raise
            logger.warning("not settled yet", extra={"run": str(lease.run_id), "error": type(error).__name__})
            time.sleep(SETTLE_PAUSE_SECONDS)
        except LeaseLost:
            raise
        except Exception:
            logger.exception("outcome refused", extra={"run": str(lease.run_id), "step": lease.step_name})
            if kept is None or not left:  # it is the failure that is refused, or there is no time left
                raise
            outputs.discard_unused(lease, kept)
            outcome, kept = Failed(error=UNSETTLED, outcome_unknown=True), None
    raise AssertionError("unreachable: the last try returns or raises")


def _keep_for_certain(lease: Lease, outcome: Settleable) -> tuple[Settleable, outputs.Kept | None]:
    """Store a large output once, whatever the commit needs later. A storage that is away is asked again."""
    if not isinstance(outcome, Succeeded):
        return outcome, None
    for left in reversed(range(SETTLE_TRIES)):
        try:
            return outcome, outputs.keep(lease, outcome.output)
        except Exception as error:  # whatever the storage raises
            logger.warning("output not kept", extra={"run": str(lease.run_id), "error": type(error).__name__})
            if left:
                time.sleep(SETTLE_PAUSE_SECONDS)
    return Failed(error=NOT_KEPT, outcome_unknown=True, usage=outcome.usage), None


def settle(lease: Lease, outcome: Settleable, *, clock: Clock, roll: float) -> list[UUID]:
    """Settle the attempt of `lease`. Returns the ids of steps that became acquirable, in order of position.

    roll: uniform draw in [0, 1) for the back-off. Raises LeaseLost when another attempt owns the step by now, or its
    run was erased; nothing is written then. Raises what the storage raises when it does not take a large output.
    """
    kept = outputs.keep(lease, outcome.output) if isinstance(outcome, Succeeded) else None
    return _settle(lease, outcome, kept, clock=clock, roll=roll)


def _settle(
    lease: Lease, outcome: Settleable, kept: outputs.Kept | None, *, clock: Clock, roll: float
) -> list[UUID]:
    failpoint("workflows.settle.before", lease)
    try:
        opened = _commit(lease, outcome, kept, clock=clock, roll=roll)
    except (LeaseLost, Run.DoesNotExist) as error:
        if kept is not None:
            outputs.discard_unused(lease, kept)
        raise LeaseLost(f"the attempt at step {lease.step_id} is over") from error
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
        if not isinstance(outcome, Succeeded):
            end_attempt(run, steps, step, outcome, now=now, roll=roll)
            failpoint("workflows.settle.written", lease)
            return []
        assert kept is not None  # keep() was asked for every success
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
        items_count=step.current_items,
        output=kept.blob,
        duration_seconds=(now - step.started_at).total_seconds(),
    )
    return events.message(data, step=step.name, attempt=step.attempt_count)


def _complete_undo(step: Step, *, now: datetime) -> Message:
    step.end_compensation(now=now)
    step.save()
    return events.message(events.CompensationCompleted(), step=step.name, attempt=step.undo_count)
