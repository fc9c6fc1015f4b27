"""What a verification found."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class Mend(StrEnum):
    """What helps. Redis is a cache of the log, so all but a broken log can be mended."""

    NONE = "none"  # the log itself: restore it
    COMPARE = "compare"  # the relay compares the stream with Redis, and fills up what is missing
    DROP = "drop"  # the copy in Redis goes; readers use the database until the next event
    REMOVE = "remove"  # this one entry goes
    RENEW = "renew"  # Redis tells another history: the stream starts anew, and clients reload


@dataclass(frozen=True, kw_only=True)
class Fault:
    """where: `log`, or a Redis key. epoch: of the stream as the database has it. entry: id of an entry of the key."""

    where: str
    text: str
    mend: Mend
    run: UUID | None = None
    epoch: int = 0
    entry: str = ""


@dataclass
class Tally:
    """How much was looked at. Filled while a verification runs."""

    streams: int = 0
    run_streams: int = 0
    firehose_entries: int = 0
    tombstones: int = 0
