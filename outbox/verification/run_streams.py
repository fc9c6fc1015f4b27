"""I9: a run's Redis Stream is a contiguous piece of its log with equal events, reaches `published`, and ends at `head`.

Writers and relays go on meanwhile. Entries are read from Redis first and from the database then, which has whatever was
published; and `published` is read from the database first, since Redis has at least that.
"""

import re
from collections.abc import Iterator
from typing import Any, Final, cast
from uuid import UUID

import orjson
import redis

from outbox import wire
from outbox.models import Entry, Stream
from outbox.verification.faults import Fault, Mend, Tally

SCAN_KEYS: Final = 500
PAGE_ENTRIES: Final = 200  # of up to 32 kB
ALL: Final = f"{wire.PREFIX}:{{*}}:run:*"
NAME: Final = re.compile(rf"{wire.PREFIX}:\{{(\d+)\}}:run:([0-9a-f-]{{36}}):(\d+)")
NUMBER: Final = re.compile(rb"(\d+)-0")

Fields = dict[bytes, bytes]
Page = list[tuple[bytes, Fields]]


def verify_run_streams(
    connection: "redis.Redis", tally: Tally, *, run: UUID | None = None
) -> Iterator[Fault]:
    """The first fault of each run stream. Raises what redis-py raises while the server is away."""
    pattern = wire.run_streams_of(wire.shard_of(run), run) if run else ALL
    for names in _scan(connection, pattern):
        parts = {name: match.groups() for name in names if (match := NAME.fullmatch(name))}
        streams = Stream.objects.in_bulk([UUID(key) for _, key, _ in parts.values()])
        for name in names:
            tally.run_streams += 1
            if name not in parts:
                yield Fault(where=name, text="it is named like no run stream of ours", mend=Mend.NONE)
                continue
            shard, key, epoch = parts[name]
            copy = _Copy(connection, name, UUID(key), int(epoch), tally)
            if fault := copy.fault(streams.get(UUID(key)), shard=int(shard)):
                yield fault


def _scan(connection: "redis.Redis", pattern: str) -> Iterator[list[str]]:
    cursor = 0
    while True:
        answer: Any = connection.scan(cursor, match=pattern, count=SCAN_KEYS)
        cursor, names = answer
        if names:
            yield sorted({name.decode() for name in names})
        if not cursor:
            return


class _Copy:
    """The run stream `name` of an epoch, while it is compared with the log."""

    def __init__(self, connection: "redis.Redis", name: str, key: UUID, epoch: int, tally: Tally) -> None:
        self._redis = connection
        self._name = name
        self._key = key
        self._epoch = epoch
        self._tally = tally

    def fault(self, stream: Stream | None, *, shard: int) -> Fault | None:
        stream = stream or self._stream()  # it may be younger than the page
        if stream is None:
            return self._told("its run does not exist", Mend.DROP)
        if shard != stream.shard:
            return self._told(f"its run is of shard {stream.shard}", Mend.DROP)
        if self._epoch > stream.epoch:
            stream = self._stream() or stream
        if self._epoch != stream.epoch:
            later = self._epoch > stream.epoch
            # A former one is left to its time: nobody reads it.
            text = f"it is of epoch {self._epoch}, the database knows {stream.epoch}: it was restored"
            return self._told(text, Mend.RENEW, epoch=stream.epoch) if later else None
        return self._compare(stream.published)

    def _compare(self, published: int) -> Fault | None:
        last = 0
        for page in self._pages():
            seqs = [int(match[1]) if (match := NUMBER.fullmatch(entry_id)) else 0 for entry_id, _ in page]
            first = last + 1 if last else seqs[0]
            if seqs != list(range(first, first + len(seqs))):
                return self._told(f"it has a hole after {_last_in_order(seqs, first)}", Mend.DROP)
            if fault := self._other_than_log(dict(zip(seqs, (fields for _, fields in page), strict=True))):
                return fault
            last = seqs[-1]
        if last and last < published:
            stream = self._stream()
            if stream is not None and stream.epoch == self._epoch and stream.published > last:
                return self._told(f"it ends at {last}, and {published} are published", Mend.COMPARE)
        return None

    def _pages(self) -> Iterator[Page]:
        start = "-"
        while page := cast(Page, self._redis.xrange(self._name, min=start, count=PAGE_ENTRIES)):
            yield page
            start = f"({page[-1][0].decode()}"

    def _other_than_log(self, copies: dict[int, Fields]) -> Fault | None:
        rows = Entry.objects.filter(stream=self._key, seq__gte=min(copies), seq__lte=max(copies))
        log = {entry.seq: entry for entry in rows}
        for seq, fields in copies.items():
            entry = log.get(seq)
            if entry is None:
                stream = self._stream()
                if stream is None or stream.epoch != self._epoch or seq <= stream.pruned:
                    continue
                ahead = f", which ends at {stream.head}" if seq > stream.head else ""
                return self._told(f"event {seq} is not in the log{ahead}", Mend.RENEW)
            self._tally.tombstones += b"stub" in fields
            if fault := self._other_event(entry, fields):
                return fault
        return None

    def _other_event(self, entry: Entry, fields: Fields) -> Fault | None:
        told = event_id(fields)
        if not told:
            return self._told(f"event {entry.seq} cannot be read", Mend.DROP)
        if told != str(entry.id):
            return self._told(f"event {entry.seq} is another one than in the log", Mend.RENEW)
        if fields.get(b"aud") != entry.audience.encode():
            return self._told(f"event {entry.seq} is for another audience than in the log", Mend.DROP)
        if b"stub" not in fields and fields[b"e"] != wire.encode(wire.envelope(entry)):
            return self._told(f"event {entry.seq} has other bytes than the log", Mend.DROP)
        return None

    def _stream(self) -> Stream | None:
        """As it is now."""
        return Stream.objects.filter(key=self._key).first()

    def _told(self, text: str, mend: Mend, *, epoch: int | None = None) -> Fault:
        epoch = self._epoch if epoch is None else epoch
        return Fault(where=self._name, run=self._key, text=text, mend=mend, epoch=epoch)


def event_id(fields: Fields) -> str:
    """The id of the event that an entry carries, whole or as a tombstone; empty when it cannot be read."""
    try:
        return str(orjson.loads(fields.get(b"e") or fields[b"stub"])["id"])
    except (KeyError, TypeError, ValueError):
        return ""


def _last_in_order(seqs: list[int], first: int) -> int:
    return next(expected for expected, seq in enumerate(seqs, first) if seq != expected) - 1
