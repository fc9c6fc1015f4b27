"""What a follower is given, in order. Transports turn each into their own frame.

    Opened → Event* → CaughtUp → (Event | Frame | Head | End | Gap)* → Reset | Denied | Bye

`End` closes a round, not the log: who stays hears of the next round.
"""

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Opened:
    """Following from `after`. `head`: where this reader will be caught up. `is_full`: it sees every number."""

    run: UUID
    after: int
    head: int
    epoch: int
    is_full: bool


@dataclass(frozen=True, slots=True)
class Event:
    """One event of the log. `body`: its envelope, the same bytes on every transport."""

    seq: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Frame:
    """An ephemeral event, without number."""

    body: bytes


@dataclass(frozen=True, slots=True)
class CaughtUp:
    seq: int


@dataclass(frozen=True, slots=True)
class Head:
    """A heartbeat. Every event up to `seq` that this reader may see was given before."""

    seq: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Gap:
    """The log itself has nothing (any more) between `after` and `before`."""

    after: int
    before: int


@dataclass(frozen=True, slots=True)
class End:
    """The run ended its round in `state`, with the event `last_seq`, which was given before."""

    last_seq: int
    state: str


@dataclass(frozen=True, slots=True)
class Reset:
    """What this reader has seen is not of this log, or the log no longer reaches back to it: read the snapshot at the
    address `snapshot` and start anew from there.
    """

    head: int
    epoch: int
    snapshot: str


@dataclass(frozen=True, slots=True)
class Denied:
    """The run is gone, or the right to see it."""


@dataclass(frozen=True, slots=True)
class Bye:
    """The stream ends for reasons of the server: come back, with the same cursor, in `retry_ms`."""

    retry_ms: int


Followed = Opened | Event | Frame | CaughtUp | Head | Gap | End | Reset | Denied | Bye
LAST: Final = (Reset, Denied, Bye)


def control(item: CaughtUp | Head | Gap | End | Reset | Bye) -> dict[str, Any]:
    """The body of what is neither an event nor an opening: without number, the same on every transport."""
    match item:
        case CaughtUp(seq=seq):
            return {"type": "caught_up", "seq": seq}
        case Head(seq=seq, epoch=epoch):
            return {"type": "hb", "head": seq, "epoch": epoch}
        case Gap(after=after, before=before):
            return {"type": "gap", "after": after, "before": before}
        case End(last_seq=last_seq, state=state):
            return {"type": "end", "last_seq": last_seq, "state": state}
        case Reset(head=head, epoch=epoch, snapshot=snapshot):
            return {"type": "reset", "head": head, "epoch": epoch, "snapshot": snapshot}
        case Bye(retry_ms=retry_ms):
            return {"type": "bye", "retry_ms": retry_ms}
