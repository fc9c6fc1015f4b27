"""Remove a stream: its entries, what is to be told of them to others, and its copies in Redis."""

from typing import cast
from uuid import UUID

from django.db import transaction

from outbox import wire
from outbox.models import DeadLetter, Delivery, Entry, Inbox, Stream
from outbox.redis import client

SCAN_ENTRIES = 1_000

Page = list[tuple[bytes, dict[bytes, bytes]]]


def forget_stream(key: UUID) -> None:
    """Delete a stream with all that there is of it, in the caller's transaction. One that is gone is fine."""
    # The stream first, as writers and retention lock it; the other way round two could wait for each other.
    Stream.objects.select_for_update().filter(key=key).first()
    Delivery.objects.filter(stream=key).delete()
    Entry.objects.filter(stream_id=key).delete()
    for consumer in consumers():
        DeadLetter.objects.filter(consumer=consumer, stream=key).delete()
        # A consumer that is at work on the stream now may wait for a lock of ours: its row stays, it holds no content.
        places = Inbox.objects.select_for_update(skip_locked=True).filter(consumer=consumer, stream=key)
        Inbox.objects.filter(pk__in=list(places.values_list("pk", flat=True))).delete()
    Stream.objects.filter(key=key).delete()


def forget_deliveries(key: UUID) -> None:
    """Once more, after the stream is gone: a consumer that had an event in hand then may have lined it up since."""
    with transaction.atomic():
        for consumer in consumers():
            # Who is at work on the stream has locked this row: its commit is waited for.
            list(Inbox.objects.select_for_update().filter(consumer=consumer, stream=key))
        Delivery.objects.filter(stream=key).delete()


def consumers() -> list[str]:
    """The names of all that have a place in some stream; a look into the index for each, however many rows it has."""
    names: set[str] = set()
    for model in (Inbox, DeadLetter):
        last = ""
        rows = model._default_manager.order_by("consumer").values_list("consumer", flat=True)
        while found := rows.filter(consumer__gt=last).first():
            names.add(last := found)
    return sorted(names)


def forget_published(key: UUID) -> None:
    """Delete what Redis has of a stream: its own, and its entries among those that all streams of a shard share.

    Raises what redis-py raises while the server is away: call it again then.
    """
    shard, connection = wire.shard_of(key), client()
    for name in connection.scan_iter(match=wire.run_streams_of(shard, key), count=SCAN_ENTRIES):
        connection.delete(name)
    connection.delete(wire.latest(shard, key))
    for shared in (wire.firehose(shard), wire.frames(shard)):
        _remove_entries(shared, str(key).encode())


def _remove_entries(shared: str, run: bytes) -> None:
    connection, start = client(), "-"
    while page := cast(Page, connection.xrange(shared, min=start, count=SCAN_ENTRIES)):
        found = [entry_id for entry_id, fields in page if fields.get(b"run") == run]
        if found:
            connection.xdel(shared, *found)
        start = f"({page[-1][0].decode()}"
