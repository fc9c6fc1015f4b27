"""What a fan-out's row says of its parts: counted, since no part that moves writes to it."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db.models import Count, Sum

from workflows.models.step import Step
from workflows.states import STEP_DONE, STEP_UNDO, StepKind, StepState

FAILED_PARTS_MAX = 6  # named in a snapshot; the others are behind /steps?parent=


def count_parts(steps: Sequence[Step]) -> None:
    """Give each fan-out among `steps` the progress and the items of its parts, in two queries.

    progress: `{done, total, unit, failed}`, where `failed` names the first parts that failed. While a fan-out is being
    undone, and after that, it counts the undone ones of those that the undo is about. Rows stay as they are.
    """
    fans = {step.id: step for step in steps if step.kind == StepKind.FAN_OUT}
    if not fans:
        return
    counts: dict[UUID, dict[str, int]] = {pk: {} for pk in fans}
    items = dict.fromkeys(fans, 0)
    rows = Step.objects.filter(parent_id__in=fans).values_list("parent_id", "state")
    for parent, state, count, found in rows.annotate(count=Count("pk"), found=Sum("items_count")).order_by():
        counts[parent][state] = count
        items[parent] += found
    failed = _failed_parts(fans)
    for pk, step in fans.items():
        step.items_count = items[pk]
        step.progress = _progress(step, counts[pk], failed[pk]) if counts[pk] else None


def _progress(step: Step, counts: Mapping[str, int], failed: list[str]) -> dict[str, Any]:
    is_undo = step.state in STEP_UNDO
    good = {StepState.COMPENSATED} if is_undo else STEP_DONE
    done = sum(counts.get(state, 0) for state in good)
    total = sum(count for state, count in counts.items() if not is_undo or state in STEP_UNDO)
    return {"done": done, "total": total, "unit": "parts", "failed": failed}


def _failed_parts(fans: Mapping[UUID, Step]) -> dict[UUID, list[str]]:
    broken = [StepState.FAILED, StepState.COMPENSATION_FAILED]
    rows = Step.objects.filter(parent_id__in=fans, state__in=broken).order_by("index")
    names: dict[UUID, list[str]] = {pk: [] for pk in fans}
    for parent, name in rows.values_list("parent_id", "name")[: FAILED_PARTS_MAX * len(fans) * 10]:
        if len(names[parent]) < FAILED_PARTS_MAX:
            names[parent].append(name)
    return names
