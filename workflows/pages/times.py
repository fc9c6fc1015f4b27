"""How long things took. Pure; twins in run-stream.js."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any


def seconds_between(start: str | None, end: str | None) -> float | None:
    if not start or not end:
        return None
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def worked_seconds(run: Mapping[str, Any]) -> float | None:
    """Seconds in which a step of the run was under way; None when that is not known.

    Waits do not count, nor do the days between a failure and its retry: a step that is done again begins anew.
    """
    spans = sorted(
        (datetime.fromisoformat(step["started_at"]), datetime.fromisoformat(step["finished_at"]))
        for step in run["steps"]
        if step["started_at"] and step["finished_at"] and step.get("kind") != "wait"
    )
    if not spans:
        return seconds_between(run["started_at"], run["finished_at"])
    worked, reached = 0.0, spans[0][0]
    for start, end in spans:
        worked += max(0.0, (end - max(start, reached)).total_seconds())
        reached = max(reached, end)
    return worked
