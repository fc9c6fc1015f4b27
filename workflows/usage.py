"""What runs and their steps used of the models, for API, pages and admin."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from django.db.models import Count, F, Q, QuerySet
from django.db.models.functions import Coalesce

from streaming.conf import conf
from workflows.models import Attempt, Step
from workflows.services.spending import number, sum_of
from workflows.states import AttemptKind

SUMS = ("tokens_in", "tokens_out", "cost", "calls")
# Told of a step by its latest attempt: a sum of them would mean nothing.
LATEST = ("model", "finish_reason", "first_token_seconds", "first_item_seconds", "last_item_seconds")
COST_DIGITS = 9


def usage_of(run_ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
    """Of all attempts of each run: `{tokens_in, tokens_out, cost, currency}`.

    cost: None where an attempt used a model without a price, since a part would be taken for the whole.
    """
    rows = Attempt.objects.filter(step__run_id__in=run_ids)
    used = {row["step__run_id"]: _told(row) for row in _summed(rows, "step__run_id")}
    return {run_id: _of_run(used.get(run_id)) for run_id in run_ids}


def usage_of_steps(run_id: UUID) -> dict[UUID, dict[str, Any]]:
    """Of each step of the plan that asked a model; of a fan-out, in all its parts.

    What `usage_of` tells but the currency, `calls`, `is_estimated`, and of its latest attempt the model, how it ended,
    and its times, which are docs/usage.md's.
    """
    attempts = Attempt.objects.filter(step__run_id=run_id)
    return _by_step(attempts.annotate(place=Coalesce("step__parent_id", "step_id")))


def usage_of_parts(parts: Sequence[Step]) -> dict[UUID, dict[str, Any]]:
    """Of each of these parts of a fan-out that asked a model; as `usage_of_steps` tells it."""
    return _by_step(Attempt.objects.filter(step__in=parts).annotate(place=F("step_id")))


def _by_step(attempts: QuerySet[Attempt]) -> dict[UUID, dict[str, Any]]:
    rows = _summed(attempts, "place")
    summed = {row["place"]: row for row in rows if row["sum_calls"] or row["sum_tokens_in"]}
    if not summed:
        return {}
    last = Attempt.objects.filter(
        step_id__in=summed, kind=AttemptKind.FORWARD, number=F("step__attempt_count")
    )
    latest = dict(last.values_list("step_id", "usage"))
    return {
        step_id: {
            **_told(row),
            "calls": int(row["sum_calls"] or 0),
            "is_estimated": bool(row["estimates"]),
            **{name: latest.get(step_id, {}).get(name) for name in LATEST},
        }
        for step_id, row in summed.items()
    }


def total(steps: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Of a run, from what its steps used; as `usage_of` tells it."""
    costs = [step["cost"] for step in steps]
    known = [cost for cost in costs if cost is not None]
    return _of_run(
        {
            "tokens_in": sum(step["tokens_in"] for step in steps),
            "tokens_out": sum(step["tokens_out"] for step in steps),
            "cost": round(sum(known), COST_DIGITS) if costs and len(known) == len(costs) else None,
        }
    )


def _of_run(used: dict[str, Any] | None) -> dict[str, Any]:
    nothing = {"tokens_in": 0, "tokens_out": 0, "cost": None}
    return {**(used or nothing), "currency": conf().model_prices_currency}


def _summed(attempts: QuerySet[Attempt], by: str) -> Iterable[dict[str, Any]]:
    """One row for each value of `by`, made by the database: a fan-out has thousands of attempts."""
    used = Q(read__gt=0) | Q(written__gt=0)
    rows = attempts.order_by().alias(
        read=number("tokens_in"), written=number("tokens_out"), price=number("cost")
    )
    found: Iterable[dict[str, Any]] = rows.values(by).annotate(
        **{f"sum_{name}": sum_of(name) for name in SUMS},
        without_price=Count("pk", filter=used & Q(price=None)),
        estimates=Count("pk", filter=Q(usage__is_estimated=True)),
    )
    return found


def _told(row: dict[str, Any]) -> dict[str, Any]:
    cost = None if row["without_price"] or row["sum_cost"] is None else round(row["sum_cost"], COST_DIGITS)
    return {
        "tokens_in": int(row["sum_tokens_in"] or 0),
        "tokens_out": int(row["sum_tokens_out"] or 0),
        "cost": cost,
    }
