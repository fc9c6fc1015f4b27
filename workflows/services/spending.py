"""What attempts use of models: kept while they work, and summed up by the database, for a fan-out has thousands."""

from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import FloatField, QuerySet, Sum
from django.db.models.fields.json import KT
from django.db.models.functions import Cast

from workflows.engine.budget import Used
from workflows.engine.lease import Lease
from workflows.models import Attempt, Step


def save_usage(lease: Lease, usage: dict[str, Any]) -> None:
    """Keep what the attempt of `lease` has used so far. Raises LeaseLost.

    The step's row is locked by its fence, since whoever ends the attempt writes all of its row, having read it under
    that lock: what is saved meanwhile would be lost.
    """
    with transaction.atomic(durable=True):
        Step.objects.fence(lease.step_id, lease.token)
        _own(Attempt.objects.all(), lease).update(usage=usage)


def used_by_others(lease: Lease) -> Used:
    """What all attempts of the run have used, those of earlier rounds too, but the one of `lease`."""
    own = _own(Attempt.objects.all(), lease).values("pk")
    others = Attempt.objects.filter(step__run_id=lease.run_id).exclude(pk__in=own)
    found = others.aggregate(**{name: sum_of(name) for name in ("tokens_in", "tokens_out", "cost")})
    return Used(
        tokens=int((found["tokens_in"] or 0) + (found["tokens_out"] or 0)),
        cost=Decimal(str(found["cost"] or 0)),
    )


def sum_of(name: str) -> Sum:
    """Of a number in the attempts' usage; None where no attempt has it."""
    return Sum(number(name))


def number(name: str) -> Cast:
    return Cast(KT(f"usage__{name}"), FloatField())


def _own(attempts: QuerySet[Attempt], lease: Lease) -> QuerySet[Attempt]:
    return attempts.filter(step_id=lease.step_id, kind=lease.kind, number=lease.number)
