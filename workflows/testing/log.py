"""The log of a run as a test reads it, and what it was expected to be."""

from collections.abc import Sequence
from types import EllipsisType

from outbox.models import Audience, Entry
from workflows.models import Run

Expected = Sequence[str | EllipsisType]


def read_log(run: Run, *, seen_by: str) -> list[Entry]:
    """The events that an audience ("public", "member" or "operator") sees, in order."""
    seen = Audience.seen_by(Audience(seen_by))
    return list(Entry.objects.filter(stream_id=run.pk, audience__in=seen).order_by("seq"))


def name_of(entry: Entry) -> str:
    """`run.completed`, or with its step, `step.completed reserve_paper`."""
    step = entry.headers.get("step")
    return f"{entry.type} {step}" if step else entry.type


def difference(names: Sequence[str], expected: Expected) -> str | None:
    """None when the log is as expected; otherwise the log as text, with a mark where it parts from that.

    expected: types, or types with a step, in order; `...` stands for any number of events, also none.
    """
    reached = _furthest(names, expected)
    if reached == (len(names), len(expected)):
        return None
    place, wanted = reached
    lines = [f"{number:5} {name}" for number, name in enumerate(names, 1)]
    lines.append("      (end of the log)")
    lines[place] = f" ---> {lines[place].strip()}     expected here: {_say(expected, wanted)}"
    return "\n".join(lines)


def _furthest(names: Sequence[str], expected: Expected) -> tuple[int, int]:
    """How far log and expectation go together: to both their ends, or to where no way of filling the gaps leads on."""
    best, open_ways, seen = (0, 0), [(0, 0)], {(0, 0)}
    while open_ways:
        place, wanted = open_ways.pop()
        best = max(best, (place, wanted), key=lambda way: (way[1], -way[0]))
        for way in _steps(names, expected, place, wanted):
            if way == (len(names), len(expected)):
                return way
            if way not in seen:
                seen.add(way)
                open_ways.append(way)
    return best


def _steps(names: Sequence[str], expected: Expected, place: int, wanted: int) -> list[tuple[int, int]]:
    if wanted == len(expected):
        return []
    wish = expected[wanted]
    if isinstance(wish, EllipsisType):
        return [(place, wanted + 1), *([(place + 1, wanted)] if place < len(names) else [])]
    fits = place < len(names) and wish in (names[place], names[place].partition(" ")[0])
    return [(place + 1, wanted + 1)] if fits else []


def _say(expected: Expected, wanted: int) -> str:
    wish = expected[wanted] if wanted < len(expected) else "the end"
    after_gap = wanted > 0 and isinstance(expected[wanted - 1], EllipsisType)
    return f"{wish}, here or later" if after_gap else str(wish)
