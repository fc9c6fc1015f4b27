"""Logs that a consumer may read what it missed from: the outbox's own tables, or the runs' streams in Redis."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import cast
from uuid import UUID

import orjson

from outbox import wire
from outbox.consumer import Event, Head
from outbox.models import Entry, Stream
from outbox.redis import client

Fields = dict[bytes, bytes]
Page = list[tuple[bytes, Fields]]


class DatabaseLog:
    """The tables of the outbox in the default database, which must be the primary: a replica may lag."""

    def head(self, stream: UUID) -> Head | None:
        row = Stream.objects.filter(key=stream).values_list("epoch", "head").first()
        return Head(stream=stream, epoch=row[0], seq=row[1]) if row else None

    def heads(
        self, *, shards: Collection[int], since: datetime | None, after: UUID | None, limit: int
    ) -> Sequence[Head]:
        rows = Stream.objects.filter(shard__in=shards, head__gt=0)
        if after is not None:
            rows = rows.filter(key__gt=after)
        if since is not None:
            # A range of the primary key: it costs what is recent, however large the table is.
            recent = Entry.objects.filter(id__gte=wire.first_id_at(since))
            rows = rows.filter(key__in=recent.values("stream_id"))
        page = rows.order_by("key").values_list("key", "epoch", "head")[:limit]
        return [Head(stream=key, epoch=epoch, seq=head) for key, epoch, head in page]

    def strangers(self, events: Collection[Event]) -> Collection[UUID]:
        found = Entry.objects.filter(pk__in=[event.id for event in events]).values_list("pk", flat=True)
        known = set(found)
        missing = [event for event in events if event.id not in known]
        if not missing:
            return ()
        streams = Stream.objects.filter(key__in={event.stream for event in missing})
        pruned = dict(streams.values_list("key", "pruned"))
        return {event.id for event in missing if event.seq > pruned.get(event.stream, 0)}

    def entries(self, stream: UUID, *, epoch: int, after: int, limit: int) -> Sequence[Event]:
        rows = Entry.objects.filter(stream_id=stream, seq__gt=after).select_related("stream")
        return [_event_of(entry) for entry in rows.order_by("seq")[:limit]]


class RedisLog:
    """The runs' streams in Redis, for a service that reaches neither the database nor the API of the outbox.

    They keep the last few thousand events of a run, until a quarter of an hour after its end. What was lost before
    it could be read there stays lost to the consumer, and it cannot be told of a loss before the run's next event.
    """

    def head(self, stream: UUID) -> Head | None:
        return None  # of which epoch the newest stream is cannot be told without looking through all keys

    def heads(
        self, *, shards: Collection[int], since: datetime | None, after: UUID | None, limit: int
    ) -> Sequence[Head]:
        return []

    def strangers(self, events: Collection[Event]) -> Collection[UUID]:
        return ()  # what Redis has is no witness against what comes from it

    def entries(self, stream: UUID, *, epoch: int, after: int, limit: int) -> Sequence[Event]:
        key = wire.run_stream(wire.shard_of(stream), stream, epoch)
        while page := cast(Page, client().xrange(key, min=f"{after + 1}-0", count=limit)):
            numbered = [(int(entry_id.partition(b"-")[0]), fields) for entry_id, fields in page]
            whole = [(seq, fields) for seq, fields in numbered if b"e" in fields]
            if whole:
                return [event_of_fields(stream, seq, epoch, fields) for seq, fields in whole]
            after = numbered[-1][0]  # nothing but tombstones: what follows them is no less there
        return []


def event_of_fields(stream: UUID, seq: int, epoch: int, fields: Fields) -> Event:
    """What an entry of a Redis stream carries. Raises KeyError or ValueError if it is not one of ours."""
    envelope = orjson.loads(fields[b"e"])
    return Event(
        stream=stream,
        seq=seq,
        epoch=epoch,
        id=UUID(envelope["id"]),
        type=envelope["type"],
        audience=fields[b"aud"].decode(),
        envelope=envelope,
    )


def _event_of(entry: Entry) -> Event:
    # Through the wire form: a handler sees the same values wherever an event came from.
    envelope = orjson.loads(wire.encode(wire.envelope(entry)))
    return Event(
        stream=entry.stream_id,
        seq=entry.seq,
        epoch=entry.stream.epoch,
        id=entry.id,
        type=entry.type,
        audience=entry.audience,
        envelope=envelope,
    )
