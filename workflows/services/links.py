"""The messages that tell workers of steps, and the alarm that tells the sweeper when nobody came."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from workflows.conf import conf
from workflows.dispatch import Link
from workflows.engine import plan as plans
from workflows.models import Run, Step
from workflows.states import StepState


def first_alarm(run: Run, now: datetime) -> datetime:
    """When a step that was just sent is sent again if nobody took it; never past the run's deadline."""
    return run.by_deadline(now + timedelta(seconds=conf().dispatch_retry_seconds))


def chains_of(run: Run, steps: Sequence[Step], opened: Sequence[Step]) -> list[list[Link]]:
    """A chain for each step that was opened: alone if it is undone or a part, else with those that follow it."""
    return [
        [link_to(run, step)]
        if step.parent_id is not None or step.state == StepState.COMPENSATING
        else chain_from(run, steps, step.position)
        for step in opened
    ]


def chain_from(run: Run, steps: Sequence[Step], position: int) -> list[Link]:
    """The links of the chain that starts at `position`. `steps`: those of the plan, in order."""
    plan = plans.Plan.from_json(run.plan)
    carried = plans.segment(plan, position, limit=conf().chain_max_steps)
    return [link_to(run, steps[place]) for place in carried]


def link_to(run: Run, step: Step) -> Link:
    return Link(
        step_id=step.id,
        queue=step.queue,
        hard_limit_seconds=step.timeout_seconds + conf().hard_limit_grace_seconds,
        label=f"{step.name} of run {run.id}",
    )
