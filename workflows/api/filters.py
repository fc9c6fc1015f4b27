"""Which runs a list asks for: of what its query names several times any will do, but all labels must be there."""

from datetime import UTC, datetime

from django.http import QueryDict
from rest_framework.exceptions import ValidationError

from workflows.api.pagination import chosen, plain_text
from workflows.models.querysets import RunQuerySet
from workflows.states import RunState

COUNT_MAX = 10_000  # what is more is told as "10 000+": nobody waits for a number that nobody reads
VALUES_MAX = 50  # of one filter


def filtered(runs: RunQuerySet, query: QueryDict) -> RunQuerySet:
    """Those of `runs` that fit `query`. Raises ValidationError for what makes no sense."""
    if states := _values(query, "state"):
        if not set(states) <= set(RunState.values):
            raise ValidationError(f"state is one of {', '.join(RunState.values)}")
        runs = runs.filter(state__in=states)
    if workflows := _values(query, "workflow"):
        runs = runs.filter(workflow__in=workflows)
    if owners := _values(query, "owner"):
        runs = runs.filter(owner__username__in=owners)
    for label in _values(query, "label"):
        name, colon, value = label.partition(":")
        if not colon:
            raise ValidationError("label is name:value; it may come several times")
        runs = runs.labelled(name, value)
    if title := plain_text(query.get("title"), name="title"):
        runs = runs.filter(title__icontains=title)
    if (since := _moment(query, "created_after")) is not None:
        runs = runs.filter(created_at__gte=since)
    if (until := _moment(query, "created_before")) is not None:
        runs = runs.filter(created_at__lt=until)
    return runs


def count_of(runs: RunQuerySet, query: QueryDict) -> dict[str, int | bool] | None:
    """With `count=estimate`: how many there are, up to a point; `is_capped`: at least so many. Else None."""
    if not chosen(query.get("count"), name="count", choice="estimate"):
        return None
    found = runs.order_by()[: COUNT_MAX + 1].count()
    return {"value": min(found, COUNT_MAX), "is_capped": found > COUNT_MAX}


def _values(query: QueryDict, name: str) -> list[str]:
    """All that came under this name; one that is empty asks for nothing. Raises ValidationError."""
    values = [text for text in query.getlist(name) if plain_text(text, name=name)]
    if len(values) > VALUES_MAX:
        raise ValidationError(f"{name} comes {VALUES_MAX} times at most")
    return values


def _moment(query: QueryDict, name: str) -> datetime | None:
    text = query.get(name)
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError("no time zone")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValidationError(
            f"{name} is a moment with its time zone, such as 2026-11-22T09:31:04Z; a plus sign in an address is %2B"
        ) from error
