"""Remove a stream: its entries, what is to be told of them to others, and its copies in Redis."""

from typing import cast
from uuid import UUID

from outbox import wire
from outbox.models import DeadLetter, Delivery, Entry, Inbox, Stream
from outbox.redis import client

SCAN_ENTRIES = 1_000

Page = list[tuple[bytes, dict[bytes, bytes]]]


def forget_stream(key: UUID) -> None:
    """Delete a stream with all its entries, in the caller's transaction. One that is gone is fine.

    What consumers kept of its events goes too. Their inboxes stay, without a word of what failed: a late copy of an
    event must find that it was applied.
    """
    Delivery.objects.filter(stream=key).delete()
    DeadLetter.objects.filter(stream=key).delete()
    Inbox.objects.filter(stream=key).exclude(error="").update(error="")
    Entry.objects.filter(stream_id=key).delete()
    Stream.objects.filter(key=key).delete()


def forget_published(key: UUID) -> None:
    """Delete what Redis has of a stream: its own, and its entries among those that all streams of a shard share.

    Raises what redis-py raises while the server is away: call it again then.
    """
    shard, connection = wire.shard_of(key), client()
    for name in connection.scan_iter(match=wire.run_streams_of(shard, key), count=SCAN_ENTRIES):
        connection.delete(name)
    for shared in (wire.firehose(shard), wire.frames(shard)):
        _remove_entries(shared, str(key).encode())


def _remove_entries(shared: str, run: bytes) -> None:
    connection, start = client(), "-"
    while page := cast(Page, connection.xrange(shared, min=start, count=SCAN_ENTRIES)):
        found = [entry_id for entry_id, fields in page if fields.get(b"run") == run]
        if found:
            connection.xdel(shared, *found)
        start = f"({page[-1][0].decode()}"
