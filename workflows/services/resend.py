"""Send steps that were opened while no chain was on its way to them."""

from collections.abc import Sequence
from uuid import UUID

from workflows.dispatch import send
from workflows.models import Step
from workflows.services.advance import chain_from


def send_opened(step_ids: Sequence[UUID]) -> None:
    """Publish a chain from each of these steps now: the end of a chain's segment, or a step that was sent alone."""
    for step in Step.objects.select_related("run").filter(pk__in=step_ids):
        steps = list(step.run.steps.order_by("position"))
        send(chain_from(step.run, steps, step.position))
