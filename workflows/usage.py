"""What runs used of the models: summed by the database, for a fan-out has thousands of attempts."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db.models import FloatField, Sum
from django.db.models.fields.json import KT
from django.db.models.functions import Cast

from workflows.models import Attempt

NAMES = ("tokens_in", "tokens_out")


def usage_of(run_ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
    """Of all attempts of each run: `{tokens_in, tokens_out, cost}`; cost is None, since nobody tells prices."""
    sums = {name: Sum(Cast(KT(f"usage__{name}"), FloatField())) for name in NAMES}
    rows = Attempt.objects.filter(step__run_id__in=run_ids).order_by().values_list("step__run_id")
    usages: dict[UUID, dict[str, Any]] = {
        run_id: dict.fromkeys(NAMES, 0) | {"cost": None} for run_id in run_ids
    }
    for run_id, *found in rows.annotate(**sums):
        usages[run_id] |= {name: int(value or 0) for name, value in zip(NAMES, found, strict=True)}
    return usages
