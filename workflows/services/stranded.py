"""The watch on the engine itself: a live run that has no reason to move is a defect, and it is said loudly."""

import logging

from django.db.models import Exists, OuterRef

from workflows.models import Run, Step
from workflows.states import RUN_TERMINAL

logger = logging.getLogger(__name__)

TOLD_AT_ONCE = 20


def find_stranded() -> list[Run]:
    """Live runs without a step that has an alarm: nothing will ever happen to them by itself."""
    alarmed = Step.objects.filter(run=OuterRef("pk"), due_at__isnull=False)
    live = Run.objects.exclude(state__in=sorted(RUN_TERMINAL)).exclude(Exists(alarmed))
    return list(live.order_by("created_at")[:TOLD_AT_ONCE])


def report_stranded() -> int:
    """Log each stranded run as an error; returns how many it told."""
    stranded = find_stranded()
    for run in stranded:
        logger.error(
            "run stranded: no step of it has an alarm", extra={"run": str(run.id), "state": run.state}
        )
    return len(stranded)
