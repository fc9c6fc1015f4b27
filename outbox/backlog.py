"""What a relay pass takes up: dirty streams and what Redis lacks of each, in one query.

One statement sees one moment of the database: the entries read are all there were up to the heads read. Written as
SQL since a query a stream was most of what an event cost.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from django.db import connection

from outbox import wire
from outbox.conf import conf
from outbox.models import Stream


class Row(NamedTuple):
    """An entry as the query has it: JSON and ids as text. `time`: text as well on PostgreSQL, naive UTC on SQLite."""

    seq: int
    id: str
    type: str
    audience: str
    headers: str
    payload: str
    time: str | datetime


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


# Ids and moments as text: to make objects of them, and text again, was a third of what an event cost.
READ = """
SELECT CAST(s.key AS text), s.shard, s.epoch, s.head, s.published, s.pruned, s.closed, s.failures,
       e.seq, CAST(e.id AS text), e.type, e.audience, e.headers, e.payload, {time}
FROM (SELECT key, shard, epoch, head, published, pruned, closed, failures FROM outbox_stream WHERE {which}) AS s
LEFT JOIN outbox_entry AS e ON e.stream_id = s.key AND e.seq > s.published AND e.seq <= s.head
      AND e.seq <= s.published + CASE WHEN s.failures < %s THEN %s ELSE 1 END
ORDER BY s.closed, s.key, e.seq
"""
TIME = {"postgresql": "to_char(e.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"}
UUID_CHARACTERS = 36  # PostgreSQL's text; SQLite keeps 32
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
    query = READ.format(which=which, time=TIME.get(connection.vendor, "e.created_at"))
    with connection.cursor() as cursor:
        cursor.execute(query, [*parameters, limits.relay_poison_tries, limits.relay_batch_size])
        rows = cursor.fetchall()
    return [_waiting(list(group)) for _, group in groupby(rows, key=itemgetter(0))]


def _waiting(rows: list[tuple[Any, ...]]) -> Waiting:
    key, shard, epoch, head, published, pruned, closed, failures, first, *_ = rows[0]
    entries = [Row._make(row[8:]) for row in rows] if first is not None else []
    return Waiting(UUID(key), shard, epoch, head, published, pruned, bool(closed), failures, entries)


def envelopes(waiting: Waiting) -> Iterator[tuple[str, dict[str, Any]]]:
    """(audience, envelope) of each entry. One after the other: ten thousand at once would keep Python's collector of
    cyclic garbage busy for longer than all the rest takes.
    """
    run = str(waiting.key)
    for row in waiting.rows:
        headers, data = orjson.loads(row.headers), orjson.loads(row.payload)
        yield row.audience, wire.envelope_of(headers=headers, data=data, **_told(run, row))


def stub_of(waiting: Waiting) -> dict[str, Any]:
    """The tombstone of the first entry."""
    return wire.stub(_told(str(waiting.key), waiting.rows[0]))


def _told(run: str, row: Row) -> dict[str, Any]:
    return {
        "seq": row.seq,
        "id": row.id if len(row.id) == UUID_CHARACTERS else str(UUID(row.id)),
        "type": row.type,
        "run": run,
        "time": row.time if isinstance(row.time, str) else wire.timestamp(row.time.replace(tzinfo=UTC)),
    }
