"""A firehose told by hand, so that a test says what comes, in which order, and what never does."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import orjson
import redis
from django.db import transaction

from outbox import wire
from outbox.append import Message, append
from outbox.consumer import Consumer, Event
from outbox.consuming.loop import ConsumerLoop
from outbox.models import Entry, Inbox, ShardLease, Stream
from tests.factories import NOW
from tests.invoicing.models import Line

NAME = "tested"


def make_stream(shard: int = 0, **fields: Any) -> Stream:
    while True:
        key = uuid4()
        if wire.shard_of(key) == shard:
            return Stream.objects.create(key=key, shard=shard, **fields)


def write(stream: Stream, count: int, *, type: str = "message") -> None:
    with transaction.atomic():
        append(stream.key, [Message(type=type, payload={"n": n}) for n in range(count)], now=NOW)
    Stream.objects.filter(key=stream.key).update(dirty=False)


def tell(client: "redis.Redis", stream: Stream, *seqs: int, epoch: int | None = None) -> list[bytes]:
    """Put entries of the log on the firehose, all if none is named. Returns the ids that they have there."""
    by_seq = {entry.seq: entry for entry in Entry.objects.filter(stream=stream).order_by("seq")}
    if epoch is None:
        epoch = Stream.objects.get(key=stream.key).epoch
    return [
        client.xadd(
            wire.firehose(stream.shard),
            {
                "run": str(stream.key),
                "seq": seq,
                "epoch": epoch,
                "aud": by_seq[seq].audience,
                "e": wire.encode(wire.envelope(by_seq[seq])),
            },
        )
        for seq in seqs or by_seq
    ]


def tell_stub(client: "redis.Redis", stream: Stream, seq: int) -> None:
    entry = Entry.objects.get(stream=stream, seq=seq)
    stub = orjson.dumps({"v": 1, "seq": seq, "id": str(entry.id), "type": entry.type, "tombstone": True})
    fields = {"run": str(stream.key), "seq": seq, "epoch": stream.epoch, "aud": entry.audience, "stub": stub}
    client.xadd(wire.firehose(stream.shard), fields)


class Noting:
    """A handler with an effect in the database for each call; `fails(event)` says when it raises after that."""

    def __init__(self) -> None:
        self.fails: Callable[[Event], bool] = lambda event: False
        self.tries = 0

    def __call__(self, event: Event) -> None:
        self.tries += 1
        Line.objects.create(run=event.stream, seq=event.seq, step=event.type, seconds=event.epoch)
        if self.fails(event):
            raise ValueError(f"no line for {event.seq}")


def consumer_of(handler: Callable[[Event], None], **fields: Any) -> Consumer:
    return Consumer(**{"name": NAME, "handler": handler, **fields})


def applied(stream: Stream) -> list[int]:
    """The effects in the order in which they were made."""
    return list(Line.objects.filter(run=stream.key).order_by("pk").values_list("seq", flat=True))


def place(stream: Stream) -> int:
    found = Inbox.objects.filter(consumer=NAME, stream=stream.key).values_list("seq", flat=True).first()
    return found or 0


def turns(loop: ConsumerLoop, count: int = 6) -> None:
    for _ in range(count):
        loop._try_turn()


def released(loop: ConsumerLoop) -> ConsumerLoop:
    """As if the leases of those who were killed had ended."""
    ShardLease.objects.update(holder=None, until=None)
    return loop


def pending(client: "redis.Redis", shard: int = 0) -> int:
    return int(client.xpending(wire.firehose(shard), NAME)["pending"])
