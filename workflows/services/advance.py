"""Decide and open what comes next, inside the transaction that made it possible."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from workflows.conf import conf
from workflows.dispatch import Link
from workflows.engine import plan as plans
from workflows.models import Run, Step


def open_next(run: Run, steps: Sequence[Step], *, now: datetime) -> list[UUID]:
    """Make the next steps ready. Call it with run and steps locked. Returns the ids of the opened steps."""
    opened = [steps[position] for position in plans.openable(steps)]
    for step in opened:
        step.open(due_at=first_alarm(now))
        step.save(update_fields=["state", "due_at", "dispatch_count"])
    return [step.id for step in opened]


def first_alarm(now: datetime) -> datetime:
    """When a step that was just sent is sent again if nobody took it."""
    return now + timedelta(seconds=conf().dispatch_retry_seconds)


def chain_from(run: Run, steps: Sequence[Step], position: int) -> list[Link]:
    """The links of the chain that starts at `position`."""
    plan = plans.Plan.from_json(run.plan)
    return [
        link_to(run, steps[carried])
        for carried in plans.segment(plan, position, limit=conf().chain_max_steps)
    ]


def link_to(run: Run, step: Step) -> Link:
    return Link(
        step_id=step.id,
        queue=step.queue,
        hard_limit_seconds=step.timeout_seconds + conf().hard_limit_grace_seconds,
        label=f"{step.name} of run {run.id}",
    )
