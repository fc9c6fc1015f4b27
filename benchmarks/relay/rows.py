"""Streams and entries by the hundred thousand, written past `append()`: what a backlog or a history looks like."""

from dataclasses import dataclass
from uuid import UUID

from uuid_utils.compat import uuid7

from benchmarks.servers import Database
from outbox import wire


@dataclass(frozen=True)
class Shape:
    """So many runs with so many events each."""

    runs: int
    per_run: int

    @property
    def events(self) -> int:
        return self.runs * self.per_run

    def __str__(self) -> str:
        return f"{self.runs:,} runs of {self.per_run:,}" if self.runs > 1 else f"one run of {self.per_run:,}"


COPY_STREAMS = """
COPY outbox_stream (key, shard, head, published, dirty, closed, epoch, failures) FROM STDIN
"""

# An `item.committed` of about 200 bytes of data. Ids grow with time as those of `append()` do: a random primary key
# would write all over its index.
INSERT_ENTRIES = """
INSERT INTO outbox_entry (id, stream_id, seq, type, audience, headers, payload, created_at)
SELECT (lpad(to_hex(%(from)s + number), 12, '0') || '70008000' || lpad(to_hex(number), 12, '0'))::uuid,
    key, seq, 'item.committed', 'public', '{"step": "extract", "attempt": 1}',
    jsonb_build_object(
        'index', seq, 'key', 'clause-' || seq, 'type', 'finding',
        'value', jsonb_build_object(
            'title', 'Notice of ' || number || ' days', 'page', seq %% 40, 'severity', 'medium',
            'text', 'Either party may end the lease with notice in writing; rent is due to the end of month '
                || seq || '.')),
    clock_timestamp()
FROM (
    SELECT key, seq, row_number() OVER () AS number
    FROM unnest(%(keys)s::uuid[]) AS key CROSS JOIN generate_series(1, %(per_run)s) AS seq
) AS numbered
"""

UNPUBLISHED = "SELECT count(*) FROM outbox_stream WHERE dirty OR published < head"


def item(number: int) -> dict[str, object]:
    """The data of such an entry, for those who write through `append()`."""
    return {
        "index": number,
        "key": f"clause-{number}",
        "type": "finding",
        "value": {
            "title": f"Notice of {number} days",
            "page": number % 40,
            "severity": "medium",
            "text": f"Either party may end the lease with notice in writing; rent is due to the end of month {number}.",
        },
    }


def fill(connection: Database, shape: Shape, *, published: bool = False) -> list[UUID]:
    """More runs, all of live ones to be published; or a history: finished, and published. Returns their keys."""
    keys = [uuid7() for _ in range(shape.runs)]
    done = shape.per_run if published else 0
    is_dirty = not published and shape.per_run > 0
    with connection.transaction(), connection.cursor() as cursor:
        with cursor.copy(COPY_STREAMS) as copy:
            for key in keys:
                copy.write_row((key, wire.shard_of(key), shape.per_run, done, is_dirty, published, 1, 0))
        row = cursor.execute("SELECT (extract(epoch FROM now()) * 1000)::bigint").fetchone()
        assert row is not None
        cursor.execute(INSERT_ENTRIES, {"from": row[0], "keys": keys, "per_run": shape.per_run})
    return keys


def empty(connection: Database) -> None:
    connection.execute("TRUNCATE outbox_entry, outbox_stream")


def forget_live(connection: Database) -> None:
    """Remove all runs but those of the history."""
    with connection.transaction():
        connection.execute(
            "DELETE FROM outbox_entry WHERE stream_id IN (SELECT key FROM outbox_stream WHERE NOT closed)"
        )
        connection.execute("DELETE FROM outbox_stream WHERE NOT closed")


def live_heads(connection: Database) -> dict[str, int]:
    """The last number of each run that is not of the history."""
    return {
        str(key): head
        for key, head in connection.execute("SELECT key, head FROM outbox_stream WHERE NOT closed")
    }


def unpublished(connection: Database) -> int:
    """Streams that a relay still has to do with."""
    row = connection.execute(UNPUBLISHED).fetchone()
    assert row is not None
    return int(row[0])
