"""What the fan-out says to web processes over the channel layer. Pure.

A hint may be lost, late, doubled or out of order: it carries events only to spare its reader the database.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One numbered event of a run's log. `body`: its envelope as every transport sends it."""

    seq: int
    audience: str
    body: bytes


@dataclass(frozen=True, slots=True)
class LiveFrame:
    """One ephemeral event: no number, may be dropped."""

    audience: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsHint:
    """A run's log reached `last`. `events`: the ones up to it that were new, or none when they were too large."""

    run: UUID
    epoch: int
    last: int
    events: tuple[LogEvent, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FramesHint:
    run: UUID
    frames: tuple[LiveFrame, ...]


Hint = EventsHint | FramesHint


def group_of(run: UUID | str) -> str:
    """The channel-layer group of a run: its only members are the processes that show it to somebody."""
    return f"run.{run}"


def events_message(run: UUID, epoch: int, events: Sequence[LogEvent], *, max_bytes: int) -> dict[str, Any]:
    """The message for consecutive events of one run. Above `max_bytes` it says only how far the log has come."""
    message = bare_message(run, epoch, first=events[0].seq, last=events[-1].seq)
    if sum(len(event.body) for event in events) <= max_bytes:
        message["events"] = [
            [event.seq, event.audience, event.body.decode(errors="replace")] for event in events
        ]
    return message


def bare_message(run: UUID, epoch: int, *, first: int, last: int) -> dict[str, Any]:
    """The message for events that are read from the database: it says only how far the log has come."""
    return {
        "type": "run.events",
        "run": str(run),
        "epoch": epoch,
        "first": first,
        "last": last,
        "head": last,
        "events": [],
    }


def frames_message(run: UUID, frames: Sequence[LiveFrame], *, max_bytes: int) -> dict[str, Any] | None:
    """The message for frames of one run: as many of the newest as fit, or None when not one does."""
    kept: list[list[str]] = []
    for frame in reversed(frames):
        max_bytes -= len(frame.body)
        if max_bytes < 0:
            break
        kept.append([frame.audience, frame.body.decode(errors="replace")])
    return {"type": "run.frames", "run": str(run), "frames": kept[::-1]} if kept else None


def parse_hint(message: Mapping[str, Any]) -> Hint:
    """The hint in a layer's message. Raises ValueError for anything else."""
    try:
        run = UUID(message["run"])
        if message["type"] == "run.frames":
            frames = tuple(LiveFrame(audience, body.encode()) for audience, body in message["frames"])
            return FramesHint(run=run, frames=frames)
        if message["type"] == "run.events":
            events = (
                LogEvent(int(seq), audience, body.encode()) for seq, audience, body in message["events"]
            )
            last = max(int(message["last"]), int(message["head"]))
            return EventsHint(run=run, epoch=int(message["epoch"]), last=last, events=tuple(events))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a hint: {type(error).__name__}") from error
    raise ValueError(f"not a hint: type {message['type']!r}")
