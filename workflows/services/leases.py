"""Acquire and renew the right to work on a step."""

import logging
from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import DateTimeField, F, Value
from django.db.models.functions import Coalesce, Least

from outbox.append import Message
from outbox.clock import Clock
from outbox.failpoints import failpoint
from workflows import events
from workflows.conf import conf
from workflows.definitions import registry
from workflows.engine.lease import Lease
from workflows.errors import UnknownWorkflow
from workflows.holder import is_dead
from workflows.models import Attempt, Run, Step
from workflows.services.failing import lose_attempt, policy_of
from workflows.services.journal import record
from workflows.states import RUN_FORWARD, AttemptKind, RunState, StepKind, StepState

logger = logging.getLogger(__name__)

# `running` too: its lease may be a dead process's.
ACQUIRABLE = [StepState.READY, StepState.RUNNING, StepState.COMPENSATING]


def acquire(step_id: UUID, *, holder: str, clock: Clock, roll: float) -> Lease | None:
    """Take the step, if there is something to do: attempt counted, token and lease written, all before the body.

    None: a rival holds it, it is done, its run has ended, or this process lacks its code (then another one will
    take it; no attempt is spent). A lease whose holder is a dead process of this host is voided on the way:
    `roll` is the draw for its back-off.
    """
    failpoint("workflows.acquire.before", step_id)
    # A message that comes twice or late costs one indexed read and no lock.
    found = Step.objects.filter(pk=step_id, state__in=ACQUIRABLE).values_list("run_id", flat=True).first()
    if found is None:
        return None
    with transaction.atomic(durable=True):
        run = Run.objects.locked(found)
        steps = Step.objects.locked(found)
        step = Step.objects.under_lock(steps, step_id)
        if step.lease_token is not None:
            if is_dead(step.holder):
                lose_attempt(run, steps, step, now=clock.now(), roll=roll)
            return None
        kind = _work_on(run, step)
        if kind is None or not _knows(run, step, kind):
            return None
        now = clock.now()
        if run.is_overdue(now):  # the sweeper will end it
            return None
        lease = _begin(run, step, kind, holder=holder, now=now)
        failpoint("workflows.acquire.written", lease)
    failpoint("workflows.acquire.committed", lease)
    return lease


def _work_on(run: Run, step: Step) -> AttemptKind | None:
    if step.kind != StepKind.STEP:  # a wait or a join: nobody works on it
        return None
    if step.state == StepState.READY and run.state in RUN_FORWARD and not run.is_stopping:
        return AttemptKind.FORWARD
    # While an undo backs off its step is `compensating` too: only the sweeper ends the wait.
    if step.state == StepState.COMPENSATING and run.state == RunState.COMPENSATING and step.retry_at is None:
        return AttemptKind.UNDO
    return None


def _knows(run: Run, step: Step, kind: AttemptKind) -> bool:
    """Whether this process has the code of the step, in the run's version."""
    try:
        known = registry.find(run.workflow, version=run.version).step(step.handler_name)
    except (UnknownWorkflow, KeyError):
        known = None
    if known is None or (kind == AttemptKind.UNDO and known.undo_handler is None):
        logger.error(
            "step released: this worker lacks its code",
            extra={"run": str(run.id), "step": step.name, "workflow": run.workflow, "version": run.version},
        )
        return False
    return True


def _begin(run: Run, step: Step, kind: AttemptKind, *, holder: str, now: datetime) -> Lease:
    messages = _begin_forward(run, step, now=now) if kind == AttemptKind.FORWARD else _begin_undo(step)
    number = step.attempt_count if kind == AttemptKind.FORWARD else step.undo_count
    token = uuid4()
    step.lend(
        token,
        holder=holder,
        lease=timedelta(seconds=conf().lease_seconds),
        deadline=run.by_deadline(now + timedelta(seconds=step.timeout_seconds)),
        idle=step.idle_timeout_seconds,
        now=now,
    )
    step.save()
    Attempt.objects.create(step=step, kind=kind, number=number, worker=holder, started_at=now)
    started = events.message(events.AttemptStarted(kind=kind, worker=holder), step=step.name, attempt=number)
    record(run.id, [*messages, started], now=now)
    return Lease(
        step_id=step.id,
        run_id=run.id,
        step_name=step.name,
        handler=step.handler_name,
        workflow=run.workflow,
        version=run.version,
        token=token,
        kind=kind,
        number=number,
        policy=policy_of(run, step, kind),
        trace=run.trace,
    )


def _begin_forward(run: Run, step: Step, *, now: datetime) -> list[Message]:
    messages = []
    if run.state == RunState.PENDING:
        run.begin(now=now)
        run.save(update_fields=["state", "started_at"])
        messages.append(events.message(events.RunStarted()))
    step.begin(now=now)
    if step.attempt_count == 1:
        messages.append(events.message(events.StepStarted(title=step.title), step=step.name, attempt=1))
    return messages


def _begin_undo(step: Step) -> list[Message]:
    step.undo_count += 1
    if step.undo_count > 1:
        return []
    return [events.message(events.CompensationStarted(), step=step.name, attempt=step.undo_count)]


def cancelled(leases: Collection[Lease]) -> set[UUID]:
    """The tokens of those leases whose run is being cancelled: their work is no longer wanted."""
    tokens = [lease.token for lease in leases if lease.kind == AttemptKind.FORWARD]
    stopped = Step.objects.filter(lease_token__in=tokens, run__state=RunState.CANCELLING)
    return {token for token in stopped.values_list("lease_token", flat=True) if token is not None}


def renew(leases: Collection[Lease], *, clock: Clock) -> set[UUID]:
    """Extend the leases that are still ours; returns the tokens of those that are lost.

    The alarm is set to the earliest of the new expiry, the attempt's deadline and its idle limit. Activity that
    moves the idle limit meanwhile makes the alarm ring early at worst; the sweeper looks at the columns again.
    """
    moment = Value(clock.now() + timedelta(seconds=conf().lease_seconds), output_field=DateTimeField())
    # Of the row as it is now: a cancel may just have brought the deadline forward. Coalesced, since SQLite's least of
    # something and NULL is NULL. One statement a lease: several rows at once could wait for each other.
    due = Least(moment, F("deadline_at"), Coalesce(F("idle_deadline_at"), moment))
    return {
        lease.token
        for lease in leases
        if not Step.objects.filter(lease_token=lease.token).update(lease_expires_at=moment, due_at=due)
    }
