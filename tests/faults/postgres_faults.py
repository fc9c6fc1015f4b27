"""What happens to the database. A fault is prepared before its moment, begins there, and ends when it has bitten:
the server's own log must say so, or the cell proves nothing.
"""

import random
import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import psycopg

from outbox import wire
from tests.faults.postgres_server import ROLE, Postgres, Server
from tests.faults.system import wait_for

BITE_SECONDS = 20.0
LASTS_SECONDS = 0.5
PAGE_BYTES = 8_192
BALLAST = UUID(int=1)
MIN_BYTES = 1_200_000  # more than a segment of the write-ahead log, which the limit is to spare


class Fault:
    """`keeps`: nothing that was acknowledged may be lost. `bites`: words of the server's log that prove it."""

    keeps = True
    bites: tuple[str, ...] = ()

    def __init__(self, postgres: Postgres, roll: random.Random) -> None:
        self.postgres = postgres
        self.roll = roll
        self.since = 0

    @property
    def server(self) -> Server:
        return self.postgres.server

    def prepare(self) -> None:
        """Before the moment."""

    def mark(self) -> None:
        """What is committed from now on is lost, if the fault loses anything."""

    def begin(self, runs: Sequence[UUID]) -> None:
        """`runs`: those that are under way."""

    def end(self) -> None:
        """The database serves again."""

    def note(self) -> None:
        self.since = self.server.mark()

    def await_bite(self) -> None:
        for words in self.bites:
            wait_for(
                f"the server saying {words!r}",
                lambda words=words: self.server.said(words, since=self.since),
                seconds=BITE_SECONDS,
            )


class Connections(Fault):
    """Every session ends, and only a few, or none, are let in."""

    bites = ("too many connections for role",)

    def begin(self, runs: Sequence[UUID]) -> None:
        self.note()
        self.server.ask(f"ALTER ROLE {ROLE} CONNECTION LIMIT {self.roll.randrange(3)}")
        self.server.end_sessions()

    def end(self) -> None:
        self.await_bite()
        time.sleep(LASTS_SECONDS)
        self.server.ask(f"ALTER ROLE {ROLE} CONNECTION LIMIT -1")


class ReadOnly(Fault):
    """It reads and does not write, as a server whose disk is nearly full or that has become a replica."""

    bites = ("in a read-only transaction",)

    def begin(self, runs: Sequence[UUID]) -> None:
        self.note()
        self.server.set("default_transaction_read_only", "on")

    def end(self) -> None:
        self.await_bite()
        time.sleep(LASTS_SECONDS)
        self.server.set("default_transaction_read_only", None)


class Full(Fault):
    """The table of the entries cannot grow: a limit on the size of its file, and not one free line in it.

    To PostgreSQL 15 the short write is a full disk (53100), to later ones an error of its own (XX000). The write-ahead
    log has room: without it the server would end, which is another cell.
    """

    bites = ("could not extend file",)

    def prepare(self) -> None:
        """Ballast that stays from cell to cell: what was deleted would be room."""
        self.server.ask("ALTER TABLE outbox_entry SET (autovacuum_enabled = off)")  # it would find room
        self.server.ask(
            "INSERT INTO outbox_stream (key, shard, head, published, dirty, closed, epoch, failures)"
            " VALUES (%s, %s, 0, 0, false, true, 1, 0) ON CONFLICT DO NOTHING",
            BALLAST,
            wire.shard_of(BALLAST),
        )
        file = self.server.file_of("outbox_entry")
        with self.server.session() as session:
            while file.stat().st_size < MIN_BYTES:
                self._fill(session, lines=1_000)
        self._count()

    def _fill(self, session: "psycopg.Connection[Any]", *, lines: int) -> None:
        session.execute(
            "INSERT INTO outbox_entry (id, stream_id, seq, type, audience, headers, payload, created_at)"
            " SELECT gen_random_uuid(), %(key)s, n + coalesce((SELECT max(seq) FROM outbox_entry WHERE stream_id ="
            " %(key)s), 0), 'ballast', 'operator', '{}', '{}', now() FROM generate_series(1, %(lines)s) n",
            {"key": BALLAST, "lines": lines},
        )

    def _count(self) -> None:
        """The ballast is a stream as any other."""
        self.server.ask(
            "UPDATE outbox_stream s SET head = n, published = n"
            " FROM (SELECT count(*) n FROM outbox_entry WHERE stream_id = %(key)s) e WHERE key = %(key)s",
            key=BALLAST,
        )

    def begin(self, runs: Sequence[UUID]) -> None:
        pages = self.server.file_of("outbox_entry").stat().st_size // PAGE_BYTES
        self.server.limit_files(pages * PAGE_BYTES + PAGE_BYTES // 2)
        with self.server.session() as session:
            while self._fill_up(session):
                session.execute("SELECT count(type) FROM outbox_entry")  # frees the lines of what was undone
        self.note()

    def _fill_up(self, session: "psycopg.Connection[Any]") -> int:
        """Line by line: what a larger statement had written before it failed would be room for others. Lines added."""
        added = 0
        while self._has_room(session):
            added += 1
        return added

    def _has_room(self, session: "psycopg.Connection[Any]") -> bool:
        try:
            self._fill(session, lines=1)
        except psycopg.Error as error:
            if self.bites[0] in str(error):
                return False
            raise
        return True

    def end(self) -> None:
        self.await_bite()
        time.sleep(LASTS_SECONDS)
        self.server.lift_limits()
        self._count()
