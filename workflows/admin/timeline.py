"""A run over time: each step's attempts, the waits before them, and the undo. Pure; the template draws it.

Horizontal places are percentages of the drawing. Time in which nothing ran is drawn short: a run that is retried
the next morning would otherwise be two hairlines.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from workflows.admin.wording import duration
from workflows.models import Attempt, Step
from workflows.states import AttemptKind, AttemptState, StepKind, StepState

# An idle stretch is drawn no wider than this part of the time in which something ran.
IDLE_MAX_PART = 0.15
# A fan-out looks like the attempt that would have ended so.
WHOLE = {
    StepState.COMPLETED: AttemptState.COMPLETED,
    StepState.COMPENSATED: AttemptState.COMPLETED,
    StepState.FAILED: AttemptState.FAILED,
    StepState.CANCELLED: AttemptState.CANCELLED,
}
MIN_WIDTH = 0.6  # percent: what took no time can still be seen


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A stretch of time. kind: an attempt's state, or `wait`, `again` (between two tries), `idle`. title: in words."""

    kind: str
    x: float
    width: float
    title: str


@dataclass(frozen=True, kw_only=True)
class Lane:
    """One step's line, or the line of its undo."""

    label: str
    is_undo: bool
    bars: list[Bar]

    @property
    def words(self) -> str:
        return "; ".join(bar.title for bar in self.bars)


@dataclass(frozen=True, kw_only=True)
class Timeline:
    lanes: list[Lane]
    idle: list[Bar]
    start: datetime
    end: datetime


class Scale:
    """From a moment to its place, 0 … 100: true to scale but for long idle stretches, which are cut short."""

    def __init__(self, busy: Sequence[tuple[datetime, datetime]]) -> None:
        """busy: disjoint stretches in order, at least one."""
        worked = sum(_seconds(start, end) for start, end in busy)
        longest = max(1.0, worked * IDLE_MAX_PART)
        self._times, self._places = [busy[0][0]], [0.0]
        self.cut: list[tuple[datetime, datetime]] = []
        for start, end in busy:
            idle = _seconds(self._times[-1], start)
            if idle > longest:
                self.cut.append((self._times[-1], start))
            self._add(start, min(idle, longest))
            self._add(end, _seconds(start, end))

    def _add(self, moment: datetime, width: float) -> None:
        self._times.append(moment)
        self._places.append(self._places[-1] + width)

    def place(self, moment: datetime) -> float:
        after = min(max(bisect_right(self._times, moment), 1), len(self._times) - 1)
        begin, end = self._times[after - 1], self._times[after]
        part = _seconds(begin, moment) / (_seconds(begin, end) or 1.0)
        left, right = self._places[after - 1], self._places[after]
        return 100 * (left + min(max(part, 0.0), 1.0) * (right - left)) / (self._places[-1] or 1.0)

    def bar(self, kind: str, start: datetime, end: datetime, *, title: str) -> Bar:
        x = min(self.place(start), 100 - MIN_WIDTH)
        width = max(self.place(end) - x, MIN_WIDTH)
        return Bar(kind=kind, x=round(x, 2), width=round(width, 2), title=title)


def timeline(
    steps: Sequence[Step], attempts: Iterable[Attempt], *, began: datetime, now: datetime
) -> Timeline | None:
    """steps: in order of position. began: when the run was created. None while nothing was tried."""
    tried = sorted(attempts, key=lambda attempt: (attempt.started_at, attempt.pk))
    if not tried:
        return None
    spans = [(attempt.started_at, max(attempt.finished_at or now, attempt.started_at)) for attempt in tried]
    scale = Scale(_merged([(began, began), *spans]))
    forward = {step.pk: _of(tried, step, AttemptKind.FORWARD) for step in steps}
    lanes = [
        _lane(scale, step, forward[step.pk], _opened(step, steps, forward, began), now)
        if step.kind == StepKind.STEP
        else _whole(scale, step, now)
        for step in steps
    ]
    undo = [(step, found) for step in steps if (found := _of(tried, step, AttemptKind.UNDO))]
    undo.sort(key=lambda lane: lane[1][0].started_at)
    lanes += [_lane(scale, step, found, None, now) for step, found in undo]
    idle = [
        scale.bar("idle", start, end, title=f"nothing ran for {duration(_seconds(start, end))}")
        for start, end in scale.cut
    ]
    return Timeline(lanes=lanes, idle=idle, start=began, end=max(end for _, end in spans))


def _opened(
    step: Step, steps: Sequence[Step], forward: Mapping[UUID, Sequence[Attempt]], began: datetime
) -> datetime | None:
    """Since when the step could have run: the end of the stage before it."""
    if step.stage == 0:
        return began
    before = [attempt for other in steps if other.stage == step.stage - 1 for attempt in forward[other.pk]]
    return max((attempt.finished_at for attempt in before if attempt.finished_at), default=None)


def _lane(scale: Scale, step: Step, tried: Sequence[Attempt], opened: datetime | None, now: datetime) -> Lane:
    bars = []
    ended = opened
    for attempt in tried:
        if ended is not None and attempt.started_at > ended:
            waited = duration(_seconds(ended, attempt.started_at))
            kind, title = (
                ("wait", f"waited {waited} for a worker")
                if attempt.number == 1
                else ("again", f"{waited} until try {attempt.number}")
            )
            bars.append(scale.bar(kind, ended, attempt.started_at, title=title))
        ended = attempt.finished_at or now
        bars.append(scale.bar(attempt.state, attempt.started_at, ended, title=_title(attempt, ended)))
    is_undo = bool(tried) and tried[0].kind == AttemptKind.UNDO
    return Lane(label=step.title or step.name, is_undo=is_undo, bars=bars)


def _whole(scale: Scale, step: Step, now: datetime) -> Lane:
    """A fan-out or a wait: one bar, since it has no attempts of its own, and a thousand parts are no picture."""
    bars = []
    if step.started_at is not None:
        ended = step.finished_at or now
        taken, word = duration(_seconds(step.started_at, ended)), str(StepState(step.state).label).lower()
        kind = (
            "wait" if step.kind == StepKind.WAIT else WHOLE.get(StepState(step.state), AttemptState.RUNNING)
        )
        bars = [scale.bar(kind, step.started_at, ended, title=f"{word}, {taken}")]
    return Lane(label=step.title or step.name, is_undo=False, bars=bars)


def _title(attempt: Attempt, ended: datetime) -> str:
    taken = duration(_seconds(attempt.started_at, ended))
    word = str(AttemptState(attempt.state).label).lower()
    return f"{attempt.kind} try {attempt.number}: {word}, {taken}"


def _of(attempts: Iterable[Attempt], step: Step, kind: AttemptKind) -> list[Attempt]:
    return [attempt for attempt in attempts if attempt.step_id == step.pk and attempt.kind == kind]


def _merged(spans: Iterable[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    merged: list[tuple[datetime, datetime]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def _seconds(start: datetime, end: datetime) -> float:
    return (end - start).total_seconds()
