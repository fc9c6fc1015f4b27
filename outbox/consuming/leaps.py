"""The decision: what an inbox does with what comes. Pure."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from uuid import UUID

from outbox.consumer import Event


class Turn(Enum):
    GO = auto()  # it is this one's turn
    PAST = auto()  # applied, or of a history that is gone: drop it
    AHEAD = auto()  # something before it is missing here: read the log
    NEW_EPOCH = auto()  # the log was restored
    WAITS = auto()  # an event of this stream failed; until its next try the stream waits alone


@dataclass(frozen=True)
class Leap:
    """An inbox anywhere in `after` … `to - 1` may go on to `to`, with the effect of `event`.

    Nothing else between them needs an effect: it is not wanted, or the log has it no more.
    """

    stream: UUID
    epoch: int
    after: int
    to: int
    event: Event | None
    last: UUID | None = None  # the id of event `to`, if there is one


def leaps(
    events: Iterable[Event], wants: Callable[[Event], bool], *, after: int | None = None
) -> Iterator[Leap]:
    """One leap for each event that is wanted, with what is not wanted before it; at the end perhaps one without event.

    events: of one stream. From the log they are all that there is above `after`, so a leap crosses its holes; from the
    firehose (None) anything may be missing, and each event follows on the number before its own.
    """
    idle: Leap | None = None
    for event in events:
        start = event.seq - 1 if after is None else after
        if after is not None:
            after = event.seq
        if idle is not None and (idle.to, idle.epoch) != (start, event.epoch):
            yield idle
            idle = None
        wanted = event if wants(event) else None
        leap = Leap(event.stream, event.epoch, idle.after if idle else start, event.seq, wanted, event.id)
        idle = None if wanted else leap
        if wanted:
            yield leap
    if idle is not None:
        yield idle


def turn_of(leap: Leap, *, epoch: int, seq: int) -> Turn:
    """What an inbox at `seq` of `epoch` does with `leap`."""
    if leap.epoch != epoch:
        return Turn.NEW_EPOCH if leap.epoch > epoch else Turn.PAST
    if seq >= leap.to:
        return Turn.PAST
    return Turn.GO if seq >= leap.after else Turn.AHEAD
