"""The wire form of an entry, the names of the Redis keys, and the cursor. Pure; public; version 1.

Every transport carries the same bytes of the same event, since all of them call `encode(envelope(entry))`.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID

import orjson

ENVELOPE_VERSION = 1

# Fixed for good: a stream keeps the shard it was created with, and the firehose of a shard is one Redis key.
SHARD_COUNT = 8

PREFIX = "lh"


class EntryLike(Protocol):
    """What `envelope` reads of an outbox entry."""

    @property
    def id(self) -> UUID: ...

    @property
    def seq(self) -> int: ...

    @property
    def type(self) -> str: ...

    @property
    def headers(self) -> Mapping[str, Any]: ...

    @property
    def payload(self) -> Mapping[str, Any]: ...

    @property
    def created_at(self) -> datetime: ...

    @property
    def stream_id(self) -> UUID: ...


def shard_of(key: UUID) -> int:
    """The shard of a stream, 0 … SHARD_COUNT - 1: the same in every process and release."""
    return hashlib.blake2b(key.bytes, digest_size=2).digest()[0] % SHARD_COUNT


# A shard's keys share the hash tag `{n}`: the append script writes two of them in one call, also on a cluster.


def run_stream(shard: int, key: UUID | str, epoch: int) -> str:
    """The Redis Stream of one run in one epoch: entry ids are `<seq>-0`. Fields aud, e (envelope).

    A tombstone (an event that Redis would not take) has `stub` in place of `e`: its event is in the database only.
    """
    return f"{PREFIX}:{{{shard}}}:run:{key}:{epoch}"


def run_streams_of(shard: int, key: UUID | str) -> str:
    """The pattern of the names of one run's Redis Streams, of all its epochs."""
    return f"{PREFIX}:{{{shard}}}:run:{key}:*"


def firehose(shard: int) -> str:
    """The Redis Stream of all runs of a shard: fields run, seq, epoch, aud, e (envelope); or `stub`, as above."""
    return f"{PREFIX}:{{{shard}}}:firehose"


def frames(shard: int) -> str:
    """The Redis Stream of ephemeral frames of a shard: fields run, aud, e (frame). May be lost."""
    return f"{PREFIX}:{{{shard}}}:frames"


def latest(shard: int, key: UUID | str) -> str:
    """The hash of frames that are kept of a run for those who come in the middle: name -> audience, newline, frame."""
    return f"{PREFIX}:{{{shard}}}:latest:{key}"


def wake(shard: int) -> str:
    """The list that a relay waits on: keys of streams of this shard that are dirty, the newest first.

    The lists share a hash tag of their own: a relay waits on several at once.
    """
    return f"{PREFIX}:{{wake}}:{shard}"


def first_id_at(moment: datetime) -> UUID:
    """The smallest entry id of this millisecond: ids are UUIDv7, so a range of ids is a range of time.

    By the writers' clocks, and before their commits: leave room at the edges.
    """
    return UUID(int=int(moment.timestamp() * 1_000) << 80)


def id_before(entry_id: UUID, *, seconds: float) -> UUID:
    """The smallest entry id of the millisecond that was `seconds` before this one's."""
    return UUID(int=max(0, (entry_id.int >> 80) - int(seconds * 1_000)) << 80)


PRUNED = f"{PREFIX}:pruned"  # the id of the entry that retention has looked at last

LAST_ENTRY = (
    f"{2**53 - 1}-0"  # ends the Redis Stream of a former epoch; the highest number that Lua counts to
)
PROBE = f"{PREFIX}:probe"  # written to see whether Redis takes anything at all


def timestamp(moment: datetime) -> str:
    """RFC 3339, UTC, milliseconds: `2026-11-22T09:31:04.512Z`. Takes aware datetimes only."""
    if moment.tzinfo is None:
        raise ValueError(f"a naive datetime has no place on the wire: {moment!r}")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def envelope(entry: EntryLike) -> dict[str, Any]:
    """The public form of an entry: `v, seq, id, type, run`, its headers (step, attempt), `time, data`."""
    return envelope_of(
        seq=entry.seq,
        id=str(entry.id),
        type=entry.type,
        run=str(entry.stream_id),
        headers=entry.headers,
        time=timestamp(entry.created_at),
        data=entry.payload,
    )


def envelope_of(
    *, seq: int, id: str, type: str, run: str, headers: Mapping[str, Any], time: str, data: Mapping[str, Any]
) -> dict[str, Any]:
    """The same of its parts, for who has them at hand as text."""
    return {
        "v": ENVELOPE_VERSION,
        "seq": seq,
        "id": id,
        "type": type,
        "run": run,
        **headers,
        "time": time,
        "data": data,
    }


def frame(
    key: UUID, type_: str, data: Mapping[str, Any], *, headers: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    """An ephemeral event: an envelope without `seq` and `id`, so that it can never move a cursor."""
    return {
        "v": ENVELOPE_VERSION,
        "type": type_,
        "run": str(key),
        **headers,
        "time": timestamp(now),
        "data": data,
    }


def stub(envelope: Mapping[str, Any]) -> dict[str, Any]:
    """The tombstone of an event that Redis does not take: who and when, and nothing of its content."""
    kept = ("seq", "id", "type", "run", "time")
    return {"v": ENVELOPE_VERSION, **{name: envelope[name] for name in kept}, "tombstone": True}


class Decoder(json.JSONDecoder):
    """For JSONField: reads numbers as `encode` writes them. Python's own reader makes whole floats of jsonb too
    large for `encode`: 1e20 comes back from PostgreSQL as 100000000000000000000.
    """

    def __init__(self, **options: Any) -> None:
        """One is made for each value that is read: nothing of the base class is needed."""

    def decode(self, s: str, *_: Any) -> Any:
        return orjson.loads(s)


def encode(value: Any) -> bytes:
    """JSON bytes, one line. Keys are sorted, since jsonb forgets their order and SQLite keeps it."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


@dataclass(frozen=True, slots=True, order=True, kw_only=True)
class Cursor:
    """How far somebody has come: everything up to `seq` of `epoch`. Of several, the one that is greatest is ahead:
    the newest epoch, whatever its number, since every epoch begins after the one before.
    """

    epoch: int
    seq: int


def parse_cursor(text: str) -> Cursor:
    """`418` of the first epoch, or `2.418` of the second.

    Raises ValueError with a sentence for the caller when the text is neither.
    """
    head, dot, tail = text.strip().rpartition(".")
    digits = (head, tail) if dot else ("1", tail)
    if not all(part.isascii() and part.isdigit() and len(part) <= 18 for part in digits) or not int(
        digits[0]
    ):
        raise ValueError(
            f"a cursor is a whole number such as 418, or epoch.number such as 2.418, not {text[:40]!r}"
        )
    return Cursor(epoch=int(digits[0]), seq=int(digits[1]))


def format_cursor(seq: int, *, epoch: int) -> str:
    return str(seq) if epoch == 1 else f"{epoch}.{seq}"


def json_cursor(seq: int, *, epoch: int) -> int | str:
    """A cursor in a JSON body: a number in the first epoch, text above it."""
    return seq if epoch == 1 else format_cursor(seq, epoch=epoch)
