"""Keyset pages: an opaque cursor, no counts, the same cost on the last page as on the first."""

import base64
import binascii
from datetime import UTC, datetime
from uuid import UUID

from django.db.models import Q
from rest_framework.exceptions import ValidationError

from workflows.conf import conf
from workflows.models import Run
from workflows.models.querysets import RunQuerySet


def page_size(text: str | None) -> int:
    """The `limit` of a request. Raises ValidationError when it is no number from 1 to the maximum."""
    limits = conf()
    if text is None:
        return limits.page_size
    return whole_number(text, name="limit", low=1, high=limits.page_size_max)


def whole_number(text: str, *, name: str, low: int, high: int) -> int:
    """The number that `text` writes in plain digits. Raises ValidationError when it is none from `low` to `high`."""
    digits = text.removeprefix("-") if low < 0 else text
    if not (
        digits.isascii() and digits.isdigit() and len(digits) <= len(str(high)) and low <= int(text) <= high
    ):
        raise ValidationError(f"{name} is a whole number from {low} to {high}")
    return int(text)


def plain_text(text: str | None, *, name: str) -> str | None:
    """A value to compare a column with. Raises ValidationError for what no database compares."""
    if text is not None and "\x00" in text:
        raise ValidationError(f"{name} holds a character that no name has")
    return text


def chosen(text: str | None, *, name: str, choice: str) -> bool:
    """Whether a request makes the one choice that there is. Raises ValidationError for another."""
    if text not in (None, choice):
        raise ValidationError(f"{name} is {choice}, or left out")
    return text is not None


def page_of_runs(runs: RunQuerySet, *, cursor: str | None, limit: int) -> tuple[list[Run], str | None]:
    """Newest first, `limit` runs after `cursor`, and the cursor of the next page. Raises ValidationError."""
    if cursor:
        created_at, run_id = _read(cursor)
        runs = runs.filter(Q(created_at__lt=created_at) | Q(created_at=created_at, id__lt=run_id))
    rows = list(runs.order_by("-created_at", "-id")[: limit + 1])
    more = len(rows) > limit
    return rows[:limit], _write(rows[limit - 1]) if more else None


def _write(run: Run) -> str:
    return base64.urlsafe_b64encode(f"{run.created_at.isoformat()}|{run.id}".encode()).decode()


def _read(cursor: str) -> tuple[datetime, UUID]:
    try:
        moment, _, run_id = base64.urlsafe_b64decode(cursor.encode()).decode().partition("|")
        created_at = datetime.fromisoformat(moment)
        if created_at.tzinfo is None:
            raise ValueError("a cursor made here has a time zone")
        return created_at.astimezone(UTC), UUID(run_id)
    except (ValueError, OverflowError, binascii.Error, UnicodeError) as error:
        raise ValidationError(
            "this cursor was not made here: take `next` of the page before as it is"
        ) from error
