"""Times and amounts as an operator reads them. Pure. `duration` has a twin in run-admin.js."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any


def duration(seconds: float) -> str:
    """`0.4 s`, `12 s`, `4 min 12 s`, `3 h 2 min`, `5 d 3 h`; a negative time is none."""
    if seconds < 10:
        tenths = int(max(0.0, seconds) * 10) / 10
        return f"{tenths:g} s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"


def ago(moment: datetime, now: datetime) -> str:
    """The age of a moment by its largest unit: `now`, `12 s ago`, `2 min ago`, `5 d ago`."""
    seconds = int((now - moment).total_seconds())
    if seconds < 5:
        return "now"
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit} ago"
    return f"{seconds} s ago"


def counted(progress: Mapping[str, Any] | None) -> str:
    """A step's progress in its own unit: `13 of 19 pages`, or `13 pages` while the total is unknown."""
    if not progress:
        return ""
    done, total, unit = progress.get("done"), progress.get("total"), progress.get("unit") or ""
    amount = f"{_number(done)} of {_number(total)}" if total else _number(done)
    return f"{amount} {unit}".strip()


def _number(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def clipped(text: str, limit: int) -> str:
    """One line of at most `limit` characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
