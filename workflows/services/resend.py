"""Send steps that were opened while no chain was on its way to them."""

from collections.abc import Sequence
from uuid import UUID

from workflows.dispatch import send
from workflows.models import Run, Step
from workflows.services.links import chains_of


def send_opened(step_ids: Sequence[UUID]) -> None:
    """Publish a chain from each of these steps of one run now: the end of a chain's segment, or parts of a fan-out.

    Raises what the broker raises, at the first that it refuses: the sweeper sends the rest.
    """
    opened = list(Step.objects.filter(pk__in=step_ids).defer("output", "item"))
    if opened:
        # Its plan and input are large: one copy, not one for each of thousands of parts.
        run = Run.objects.defer("input").get(pk=opened[0].run_id)
        steps = list(run.steps.filter(parent__isnull=True).defer("output", "item").order_by("position"))
        for links in chains_of(run, steps, opened):
            send(links)
