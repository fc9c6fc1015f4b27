"""Celery shells: not one rule of their own."""

import random
from typing import Any
from uuid import UUID

from celery import shared_task

from outbox.clock import CLOCK
from outbox.connections import give_back
from streaming.llm import get_model
from workflows import holder
from workflows.conf import conf
from workflows.engine.outcomes import Failed, Fenced
from workflows.errors import AttemptFailed, LeaseLost
from workflows.execution import executor
from workflows.execution.heartbeat import Heartbeat
from workflows.services import leases
from workflows.services.records import LeasedRecords
from workflows.services.resend import send_opened
from workflows.services.settling import settle_for_certain
from workflows.services.sweep import sweep as sweep_due

heartbeat = Heartbeat(
    lambda held: leases.renew(held, clock=CLOCK),
    interval=lambda: conf().lease_heartbeat_seconds,
    lease=lambda: conf().lease_seconds,
)


@shared_task(name="workflows.run_step", bind=True, acks_late=True, ignore_result=True)
def run_step(self: Any, step_id: str) -> None:
    """Acquire, execute, settle. A message that finds nothing to do ends its chain and says nothing."""
    lease = leases.acquire(UUID(step_id), holder=holder.this_process(), clock=CLOCK, roll=random.random())
    if lease is None:
        self.request.chain = None
        return
    give_back()  # a body may take hours: no connection waits, and dies, beside it
    with heartbeat.hold(lease) as lost:
        outcome = executor.run(lease, records=LeasedRecords(lease, clock=CLOCK), lost=lost, model=get_model)
        try:
            if isinstance(outcome, Fenced):
                raise LeaseLost
            outcome, opened = settle_for_certain(lease, outcome, clock=CLOCK, roll=random.random())
        except LeaseLost:
            self.request.chain = None
            return
    if isinstance(outcome, Failed):
        raise AttemptFailed(f"{lease.step_name}: {outcome.error.code}")
    if not self.request.chain:
        send_opened(opened)


@shared_task(name="workflows.sweep", ignore_result=True)
def sweep() -> None:
    """Take up what is due; beat sends this every second, and any number may run at once."""
    sweep_due(clock=CLOCK, roll=random.random)
