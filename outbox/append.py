"""The only door into the outbox."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from uuid_utils.compat import uuid7

from outbox import nudge, wire
from outbox.conf import conf
from outbox.failpoints import failpoint
from outbox.models import Audience, Entry, Stream


class NotInTransaction(RuntimeError):
    """`append()` was called outside a transaction: the message would not share the fate of its cause."""


class UnknownStream(LookupError):
    """No stream has this key; `open_stream()` makes it, in the commit that creates the run."""


class PayloadTooLarge(ValueError):
    """A payload is larger than `max_payload_bytes`: store the bulk and send a reference."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """What a writer wants told: a type, who may see it, small headers (step, attempt) and a JSON payload."""

    type: str
    payload: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, Any] = field(default_factory=dict)
    audience: Audience = Audience.PUBLIC


def open_stream(key: UUID) -> Stream:
    """Make the stream of a new run, in the transaction that creates the run."""
    return Stream.objects.create(key=key, shard=wire.shard_of(key))


def append(key: UUID, messages: Sequence[Message], *, now: datetime, closes: bool = False) -> int:
    """Write `messages` with the next sequence numbers of stream `key`; returns the last one.

    It must come last in its transaction (the lock order ends here): the UPDATE takes the stream's row lock, which
    is held to the commit, so numbers become visible in their order; and the head rolls back with the transaction,
    so there are no holes. `closes` says that the last message ends a round.

    Raises NotInTransaction, UnknownStream, PayloadTooLarge, and ValueError for an empty list.
    """
    if not connection.in_atomic_block:
        raise NotInTransaction(
            "append() must run inside transaction.atomic(), in the commit of what it announces"
        )
    if not messages:
        raise ValueError("append() needs at least one message")
    for message in messages:
        _refuse_bulk(message)
    head, shard = _advance_head(key, len(messages), closes=closes)
    first = head - len(messages) + 1
    Entry.objects.bulk_create(
        Entry(
            id=uuid7(),
            stream_id=key,
            seq=first + offset,
            type=message.type,
            audience=message.audience,
            headers=dict(message.headers),
            payload=dict(message.payload),
            created_at=now,
        )
        for offset, message in enumerate(messages)
    )
    failpoint("outbox.append.written")
    _wake_on_commit(shard, key)
    return head


class _Wake:
    """Called after the commit. Not a partial: Django names in its log the function that failed, by this name."""

    def __init__(self, shard: int, key: UUID) -> None:
        self.stream = shard, key
        self.__qualname__ = "wake_relay"

    def __call__(self) -> None:
        nudge.wake_relay(*self.stream)


def _wake_on_commit(shard: int, key: UUID) -> None:
    """Once a commit, however often it appends. Robust: a failing wake-up turns no committed request into an error."""
    waiting = (entry[1] for entry in connection.run_on_commit)
    if not any(isinstance(function, _Wake) and function.stream == (shard, key) for function in waiting):
        transaction.on_commit(_Wake(shard, key), robust=True)


def _refuse_bulk(message: Message) -> None:
    limit = conf().max_payload_bytes
    size = len(wire.encode(message.payload)) + len(wire.encode(message.headers))
    if size > limit:
        raise PayloadTooLarge(
            f"the payload of {message.type} has {size} bytes, the limit is {limit} "
            "(LONGHAUL_MAX_PAYLOAD_BYTES): store the bulk and send a reference"
        )


def _advance_head(key: UUID, count: int, *, closes: bool) -> tuple[int, int]:
    """Take `count` numbers under the row lock. One round trip; both databases know RETURNING."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE outbox_stream SET head = head + %s, dirty = %s, closed = %s WHERE key = %s RETURNING head, shard",
            [count, True, closes, Stream._meta.pk.get_db_prep_value(key, connection)],
        )
        row = cursor.fetchone()
    if row is None:
        raise UnknownStream(f"no outbox stream {key}: open_stream() creates it with its run")
    return int(row[0]), int(row[1])
