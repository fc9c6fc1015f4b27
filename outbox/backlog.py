"""What a relay pass takes up: dirty streams and what Redis lacks of each, in one query.

One statement sees one moment of the database: the entries read are all there were up to the heads read. Written as
SQL since a query a stream was most of what an event cost.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from django.db import connection

from outbox.conf import conf
from outbox.models import Stream


class Row(NamedTuple):
    """An entry as the query has it; what `wire.envelope` reads. A tuple: one is made for each event."""

    stream_id: UUID
    seq: int
    id: UUID
    type: str
    audience: str
    headers: dict[str, Any]
    payload: dict[str, Any]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Waiting:
    """A dirty stream and its next entries, in order; none when the stream is only to be compared with Redis."""

    key: UUID
    shard: int
    epoch: int
    head: int
    published: int
    pruned: int
    closed: bool
    failures: int
    rows: Sequence[Row]


READ = """
SELECT s.key, s.shard, s.epoch, s.head, s.published, s.pruned, s.closed, s.failures,
       e.seq, e.id, e.type, e.audience, e.headers, e.payload, e.created_at
FROM (SELECT key, shard, epoch, head, published, pruned, closed, failures FROM outbox_stream WHERE {which}) AS s
LEFT JOIN outbox_entry AS e ON e.stream_id = s.key AND e.seq > s.published AND e.seq <= s.head
      AND e.seq <= s.published + CASE WHEN s.failures < %s THEN %s ELSE 1 END
ORDER BY s.closed, s.key, e.seq
"""
# In the order of the partial index on dirty streams: a pass reads what it takes, and live runs go first.
BACKLOG = """dirty AND (retry_at IS NULL OR retry_at <= %s) AND shard IN ({shards})
    ORDER BY closed LIMIT %s"""
NAMED = "dirty AND retry_at IS NULL AND key IN ({keys})"


def read_backlog(shards: Collection[int], *, now: datetime, limit: int) -> list[Waiting]:
    """The next `limit` streams of these shards at most, those of live runs first."""
    if not shards:
        return []
    which = BACKLOG.format(shards=_marks(shards))
    moment = connection.ops.adapt_datetimefield_value(now)
    return _read(which, [moment, *shards, limit])


def read_named(keys: Collection[UUID]) -> list[Waiting]:
    """Of these streams the dirty ones that do not wait after a failure."""
    if not keys:
        return []
    return _read(NAMED.format(keys=_marks(keys)), [prepared(key) for key in keys])


def prepared(key: UUID) -> Any:
    """A stream's key as this database takes it."""
    return Stream._meta.pk.get_db_prep_value(key, connection)


def _marks(values: Collection[object]) -> str:
    return ", ".join(["%s"] * len(values))


def _read(which: str, parameters: list[Any]) -> list[Waiting]:
    limits = conf()
    with connection.cursor() as cursor:
        cursor.execute(
            READ.format(which=which), [*parameters, limits.relay_poison_tries, limits.relay_batch_size]
        )
        rows = cursor.fetchall()
    return list(_grouped(rows))


def _grouped(rows: list[tuple[Any, ...]]) -> Iterator[Waiting]:
    for (key, shard, epoch, head, published, pruned, closed, failures), group in groupby(
        rows, key=lambda row: row[:8]
    ):
        run = _uuid(key)
        entries = [_row(run, row) for row in group if row[8] is not None]
        yield Waiting(run, shard, epoch, head, published, pruned, bool(closed), failures, entries)


def _row(run: UUID, row: tuple[Any, ...]) -> Row:
    *_, seq, id_, type_, audience, headers, payload, created_at = row
    return Row(
        run,
        seq,
        _uuid(id_),
        type_,
        audience,
        orjson.loads(headers),
        orjson.loads(payload),
        created_at if created_at.tzinfo else created_at.replace(tzinfo=UTC),  # SQLite's have none
    )


def _uuid(value: UUID | str) -> UUID:
    return value if isinstance(value, UUID) else UUID(value)
