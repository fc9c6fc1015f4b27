"""Record what an attempt came to and open what follows: one fenced commit."""

import hashlib
import logging
import time
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import InterfaceError, OperationalError, transaction

from outbox import wire
from outbox.append import Message
from outbox.clock import Clock
from outbox.connections import drop_broken
from outbox.failpoints import failpoint
from workflows import events
from workflows.engine.lease import Lease
from workflows.engine.outcomes import ErrorInfo, Failed, Succeeded
from workflows.errors import LeaseLost
from workflows.models import Run, Step
from workflows.services.advance import open_next
from workflows.services.failing import end_attempt
from workflows.services.journal import record
from workflows.services.undoing import end_if_undone
from workflows.states import STEP_DONE, AttemptKind, AttemptState

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
    lease: Lease, outcome: Succeeded | Failed, *, clock: Clock, roll: float
) -> tuple[Succeeded | Failed, list[UUID]]:
    """Settle, so that no finished work is thrown away. Returns what was settled, and the steps that became ready.

    A connection that died meanwhile is opened anew; a commit whose answer was lost shows as LeaseLost, since it
    took the token. An outcome that the database refuses is settled as failed: doing it again would not help.
    """
    for left in reversed(range(SETTLE_TRIES)):
        drop_broken()
        try:
            return outcome, settle(lease, outcome, clock=clock, roll=roll)
        except (OperationalError, InterfaceError) as error:
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


def settle(lease: Lease, outcome: Succeeded | Failed, *, clock: Clock, roll: float) -> list[UUID]:
    """Settle the attempt of `lease`. Returns the ids of steps that became ready, in order of position.

    roll: uniform draw in [0, 1) for the back-off. Raises LeaseLost when another attempt owns the step by now;
    nothing is written then.
    """
    failpoint("workflows.settle.before")
    with transaction.atomic(durable=True):
        run = Run.objects.locked(lease.run_id)
        Step.objects.fence(lease.step_id, lease.token)
        steps = Step.objects.locked(lease.run_id)
        step = next(step for step in steps if step.id == lease.step_id)
        now = clock.now()
        opened: list[UUID] = []
        if isinstance(outcome, Failed):
            end_attempt(run, steps, step, outcome, now=now, roll=roll)
        else:
            messages = [_complete_attempt(step, outcome, now=now)]
            if lease.kind == AttemptKind.FORWARD:
                messages.append(_complete_step(step, outcome, now=now))
                opened = open_next(run, steps, now=now)
                messages += _complete_run_if_done(run, steps, now=now)
            else:
                messages.append(_complete_undo(step, now=now))
                messages += end_if_undone(run, steps, now=now)
            record(run.id, messages, now=now)
    failpoint("workflows.settle.committed")
    return opened


def _complete_attempt(step: Step, outcome: Succeeded, *, now: datetime) -> Message:
    attempt = step.attempts.get(state=AttemptState.RUNNING)
    attempt.complete(dict(outcome.usage), now=now)
    attempt.save()
    data = events.AttemptCompleted(
        kind=attempt.kind, worker=attempt.worker, duration_seconds=attempt.duration_seconds
    )
    return events.message(data, step=step.name, attempt=attempt.number)


def _complete_step(step: Step, outcome: Succeeded, *, now: datetime) -> Message:
    step.complete(outcome.output, now=now)
    step.save()
    assert step.started_at is not None  # begin() set it
    data = events.StepCompleted(
        items_count=step.items_count,
        output=blob_of(outcome.output),
        duration_seconds=(now - step.started_at).total_seconds(),
    )
    return events.message(data, step=step.name, attempt=step.attempt_count)


def _complete_run_if_done(run: Run, steps: list[Step], *, now: datetime) -> list[Message]:
    if any(step.state not in STEP_DONE for step in steps):
        return []
    run.complete(now=now)
    run.save()
    data = events.RunCompleted(
        items_count=sum(step.items_count for step in steps), result=blob_of(steps[-1].output)
    )
    return [events.message(data)]


def _complete_undo(step: Step, *, now: datetime) -> Message:
    step.end_compensation(now=now)
    step.save()
    return events.message(events.CompensationCompleted(), step=step.name, attempt=step.undo_count)


def blob_of(value: Any) -> events.Blob:
    """Size in bytes and SHA-256 of a value's canonical JSON."""
    encoded = wire.encode(value)
    return events.Blob(size=len(encoded), sha256=hashlib.sha256(encoded).hexdigest())
