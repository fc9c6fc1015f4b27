"""Celery shells: not one rule of their own."""

import random
import threading
import time
from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from celery import shared_task
from celery.signals import worker_init

from outbox.clock import CLOCK
from outbox.connections import give_back
from outbox.failpoints import failpoint
from streaming.llm import get_model
from workflows import holder, telemetry
from workflows.conf import conf
from workflows.engine.lease import Lease
from workflows.engine.outcomes import Failed, Fenced, Stopped
from workflows.errors import AttemptFailed, LeaseLost
from workflows.execution import executor
from workflows.execution.heartbeat import Heartbeat, Pace
from workflows.execution.recycling import Recycler
from workflows.services import leases, scheduling
from workflows.services.expired_keys import purge_expired_keys
from workflows.services.records import LeasedRecords
from workflows.services.resend import send_opened
from workflows.services.retention import retain_runs
from workflows.services.settling import settle_for_certain
from workflows.services.stranded import report_stranded
from workflows.services.sweep import sweep as sweep_due

_workers: list[Any] = []  # this process's worker; none in a child of the pool


@worker_init.connect(weak=False)
def remember_worker(sender: Any = None, **_: Any) -> None:
    _workers.append(sender)


def stop_taking() -> None:
    """This process takes no more messages: others of its queues do."""
    for worker in _workers:
        for queue in list(worker.app.amqp.queues.consume_from):
            worker.consumer.call_soon(worker.consumer.cancel_task_queue, queue)


class _Leases:
    """The services that the heartbeat asks, on the database's clock."""

    def renew(self, held: Collection[Lease]) -> set[UUID]:
        return leases.renew(held, clock=CLOCK)

    def cancelled(self, held: Collection[Lease]) -> set[UUID]:
        return leases.cancelled(held)


heartbeat = Heartbeat(
    _Leases(),
    pace=Pace(
        poll=lambda: conf().cancel_poll_seconds,
        renewal=lambda: conf().lease_heartbeat_seconds,
        lease=lambda: conf().lease_seconds,
    ),
    abandoned=Recycler(stop_taking=stop_taking).look,
)


@shared_task(name="workflows.run_step", bind=True, acks_late=True, ignore_result=True)
def run_step(self: Any, step_id: str) -> None:
    """Acquire, execute, settle. A message that finds nothing to do ends its chain and says nothing."""
    since = time.monotonic()
    lease = leases.acquire(UUID(step_id), holder=holder.this_process(), clock=CLOCK, roll=random.random())
    if lease is None:
        self.request.chain = None
        return
    give_back()  # a body may take hours: no connection waits, and dies, beside it
    with heartbeat.hold(lease, since=since) as signals:
        with telemetry.working(lease.trace, step_id=lease.step_id, kind=lease.kind, number=lease.number):
            outcome = executor.run(
                lease, records=LeasedRecords(lease, clock=CLOCK), signals=signals, model=get_model
            )
        try:
            if isinstance(outcome, Fenced):
                raise LeaseLost
            outcome, opened = settle_for_certain(lease, outcome, clock=CLOCK, roll=random.random())
        except LeaseLost:
            self.request.chain = None
            return
    if isinstance(outcome, Stopped):
        self.request.chain = None
        return
    if isinstance(outcome, Failed):
        raise AttemptFailed(f"{lease.step_name}: {outcome.error.code}")
    if not self.request.chain:
        send_opened(opened)
    failpoint("workflows.run_step.done", lease)


class Pause:
    """Between two sweeps of a process: those that waited behind a stopped worker find nothing more to do."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ends_at = 0.0

    def is_over(self) -> bool:
        """True at most once in `sweep_pause_seconds`."""
        with self._lock:
            now = time.monotonic()
            if now < self._ends_at:
                return False
            self._ends_at = now + conf().sweep_pause_seconds
            return True


pause = Pause()


@shared_task(name="workflows.sweep", ignore_result=True)
def sweep() -> None:
    """Take up what is due; beat sends this every second, and any number may run at once."""
    if pause.is_over():
        sweep_due(clock=CLOCK, roll=random.random)


@shared_task(name="workflows.check_stranded", ignore_result=True)
def check_stranded() -> None:
    """Say loudly which live runs have no reason to move, and clear away old keys; beat sends this once a minute."""
    report_stranded()
    purge_expired_keys(clock=CLOCK)


@shared_task(name="workflows.retain", ignore_result=True)
def retain() -> None:
    """Remove runs that ended long ago, where a setting says so; beat sends this every few minutes."""
    retain_runs(clock=CLOCK)


@shared_task(name=scheduling.TASK, ignore_result=True)
def start_run(schedule: int, due_at: str | None = None) -> None:
    """Beat says that a schedule is due; what it starts is in its row."""
    scheduling.start_due(schedule, said=datetime.fromisoformat(due_at) if due_at else None, clock=CLOCK)
