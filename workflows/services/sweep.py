"""The sweeper: whatever is due, whatever it is. One query, then one short transaction a step."""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from outbox.clock import Clock
from outbox.connections import PASSING, drop_broken
from outbox.failpoints import failpoint
from workflows.conf import conf
from workflows.dispatch import Link, send
from workflows.engine.outcomes import ErrorInfo, Failed, Stopped
from workflows.holder import is_dead, prefix_of_this_host
from workflows.models import Run, Step
from workflows.services.failing import end_attempt, lose_attempt
from workflows.services.links import chains_of, first_alarm
from workflows.services.overdue import expire_run, expire_wait
from workflows.services.queues import Queues
from workflows.services.start import open_first
from workflows.states import RUN_FORWARD, AttemptState, RunState, StepState

logger = logging.getLogger(__name__)

# In a queue that has messages each next patience is so many times longer.
PATIENCE_GROWTH = 4
MAX_GROWTHS = 6  # a month, with the default

TIMED_OUT = ErrorInfo(
    code="step-timed-out", detail="The step took longer than it may.", retryable=True, error_class="TimedOut"
)
IDLE = ErrorInfo(
    code="step-idle", detail="The step made no progress for too long.", retryable=True, error_class="TimedOut"
)


def sweep(*, clock: Clock, roll: Callable[[], float]) -> int:
    """Take up each due step, and each step whose worker died on this host. Returns how many it took up.

    Safe to run any number of times at once: each step is looked at again under its run's lock, and a run that another
    process has locked is left to it.
    """
    rows = Step.objects.due(now=clock.now()).values_list(*Due._fields)
    due = [Due(*row) for row in rows[: conf().sweep_batch_size]]
    queues = Queues({one.queue for one in due if one.queue})
    sender = _Sender(clock)
    spared: set[object] = set()
    for one in [*due, *_orphans()]:
        step_id, run_id = one.id, one.run_id
        if run_id in spared or one.group in spared:
            continue
        try:
            taken = _take_up(one, queues, clock=clock, roll=roll())
            failpoint("workflows.sweep.taken")
            spared.add(taken.spares)
            sender.send(step_id, taken.chains)
        except PASSING as error:
            # The database's trouble, not the step's: its alarm still rings, and the next sweep is a second away.
            logger.warning("step not swept yet", extra={"run": str(run_id), "error": type(error).__name__})
            drop_broken()
        except Exception:
            # Whatever is wrong with this one, it must not keep the alarms of all others from ringing.
            logger.exception("step not swept", extra={"run": str(run_id), "step_id": str(step_id)})
            _postpone(step_id, clock=clock)
    return len(due)


class Due(NamedTuple):
    """A step that is due. `group`: those of its run that wait in the queue beside it; one that is held is alone."""

    id: UUID
    run_id: UUID
    queue: str = ""
    state: str = ""
    dispatch_count: int = 0
    retry_at: datetime | None = None
    lease_token: UUID | None = None

    @property
    def group(self) -> tuple[object, ...]:
        return self[1:]


class Taken(NamedTuple):
    """What came of one: chains to send, and a run or a group of which nothing else need be taken up in this sweep."""

    chains: Sequence[Sequence[Link]] = ()
    spares: object = None


class _Sender:
    """Sends what a sweep found, after each commit. Once the broker is away, the rest of the sweep does not try it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._is_broker_away = False

    def send(self, step_id: UUID, chains: Sequence[Sequence[Link]]) -> None:
        if not chains:
            return
        if not self._is_broker_away:
            try:
                for chain in chains:
                    send(chain)
                return
            except Exception as error:  # of whatever broker: the row has its alarm
                self._is_broker_away = True
                logger.warning("broker away; steps wait", extra={"error": type(error).__name__})
        # Not the queue's fault: the wait does not double.
        later = self._clock.now() + timedelta(seconds=conf().dispatch_retry_seconds)
        sendable = Q(state=StepState.READY) | Q(state=StepState.COMPENSATING, retry_at=None)
        Step.objects.filter(sendable, pk=step_id, lease_token=None).update(due_at=later, dispatch_count=0)


def _postpone(step_id: UUID, *, clock: Clock) -> None:
    """Look again later, so that steps that cannot be swept do not fill the batch of each sweep."""
    later = clock.now() + timedelta(seconds=conf().dispatch_retry_cap_seconds)
    Step.objects.filter(pk=step_id, due_at__isnull=False).update(due_at=later)


def _orphans() -> list[Due]:
    """Leased steps whose holder was a process of this host that is gone: no need to wait for the lease."""
    here = Step.objects.filter(lease_token__isnull=False, holder__startswith=prefix_of_this_host())
    held = list(here.values_list("id", "run_id", "holder"))
    dead = {holder for holder in {holder for _, _, holder in held} if is_dead(holder)}
    return [Due(step_id, run_id) for step_id, run_id, holder in held if holder in dead]


def _take_up(one: Due, queues: Queues, *, clock: Clock, roll: float) -> Taken:
    """Do what the step's alarm asks for."""
    with transaction.atomic(durable=True):
        # A process that froze inside its transaction holds one run, not the sweep of all others.
        run = Run.objects.select_for_update(no_key=True, skip_locked=True).filter(pk=one.run_id).first()
        if run is None:
            return Taken(spares=one.run_id)
        steps = Step.objects.locked(one.run_id)
        step = Step.objects.under_lock(steps, one.id)
        now = clock.now()
        if step.lease_token is not None:
            _check_lease(run, steps, step, now=now, roll=roll)
        elif step.due_at is None or step.due_at > now:
            pass
        elif run.is_overdue(now):
            expire_run(run, steps, now=now, roll=roll)
        elif step.state == StepState.WAITING:
            expire_wait(run, steps, step, now=now)
        elif step.state == StepState.PENDING:
            open_first(run, steps, step, now=now)
        elif _look_later(run, step, queues, now=now):
            return Taken(spares=one.group)
        else:
            return Taken(_send_again(run, steps, step, now=now))
    return Taken()


def _check_lease(run: Run, steps: list[Step], step: Step, *, now: datetime, roll: float) -> None:
    assert step.lease_expires_at is not None  # a lease has all its times
    assert step.deadline_at is not None
    if is_dead(step.holder) or step.lease_expires_at <= now:
        lose_attempt(run, steps, step, now=now, roll=roll)
    elif run.is_overdue(now):
        expire_run(run, steps, now=now, roll=roll)
    elif step.deadline_at <= now:
        _end_overdue(run, steps, step, TIMED_OUT, now=now, roll=roll)
    elif step.idle_deadline_at is not None and step.idle_deadline_at <= now:
        _end_overdue(run, steps, step, IDLE, now=now, roll=roll)
    else:
        step.due_at = step.alarm()  # a renewal or some activity moved the limits after the alarm was set
        step.save(update_fields=["due_at"])


def _end_overdue(
    run: Run, steps: list[Step], step: Step, error: ErrorInfo, *, now: datetime, roll: float
) -> None:
    """Fence the attempt off. Of a cancelled run it was asked to stop and did not: it ends as cancelled."""
    if run.state == RunState.CANCELLING:
        end_attempt(run, steps, step, Stopped(), now=now, roll=roll)
    else:
        failure = Failed(error=error, attempt_state=AttemptState.TIMED_OUT)
        end_attempt(run, steps, step, failure, now=now, roll=roll)


def _look_later(run: Run, step: Step, queues: Queues, *, now: datetime) -> bool:
    """Whether its message is probably one of those that wait in its queue: another would only lengthen that.

    All that waits beside it is looked at later, too. Each send makes the next patience four times as long.
    """
    limits = conf()
    patience = timedelta(
        seconds=limits.dispatch_busy_seconds * PATIENCE_GROWTH ** min(step.dispatch_count, MAX_GROWTHS)
    )
    waits = step.state == StepState.READY or (step.state == StepState.COMPENSATING and step.retry_at is None)
    if (
        not waits
        or step.ready_at is None
        or now - step.ready_at >= patience
        or not queues.is_busy(step.queue)
    ):
        return False
    # Soon: the queue may have messages for a moment only, and this step's be lost.
    later = first_alarm(run, now)
    Step.objects.look_later(step, ready_after=now - patience, due_at=later)
    return True


def _send_again(run: Run, steps: list[Step], step: Step, *, now: datetime) -> list[list[Link]]:
    """Nobody took it, or its back-off is over. Each fruitless send doubles the wait: the queue may just be long."""
    limits = conf()
    if step.state == StepState.RETRYING:
        step.open(due_at=first_alarm(run, now), now=now)
    elif step.retry_at is not None:
        step.end_back_off(due_at=first_alarm(run, now), now=now)
    else:
        wait = limits.dispatch_retry_seconds * 2.0 ** min(step.dispatch_count + 1, 30)
        step.due_at = run.by_deadline(now + timedelta(seconds=min(wait, limits.dispatch_retry_cap_seconds)))
        step.dispatch_count += 1
        logger.info(
            "step sent again", extra={"run": str(run.id), "step": step.name, "sent": step.dispatch_count}
        )
    step.save()
    return chains_of(run, steps, [step]) if run.state in {*RUN_FORWARD, RunState.COMPENSATING} else []
