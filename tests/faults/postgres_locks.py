"""Locks that a stranger holds: a deadlock, and a wait that is given up."""

import contextlib
import threading
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import psycopg

from tests.faults.postgres_faults import BITE_SECONDS, Fault
from tests.faults.system import NeverHappened, wait_for

Session = psycopg.Connection[Any]


class Locks(Fault):
    """A stranger's session takes our locks in the wrong order until ours are a deadlock's victims, and keeps them
    until ours give up waiting: rows of the runs under way, or whole tables as a migration does.
    """

    bites = ("deadlock detected", "canceling statement due to lock timeout")

    def begin(self, runs: Sequence[UUID]) -> None:
        self.note()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._hold_all, args=(list(runs),), daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._thread.join(3 * BITE_SECONDS)
        if self._failure is not None or self._thread.is_alive():
            raise NeverHappened(f"the stranger's locks: {self._failure or 'held for ever'}")

    def _hold_all(self, runs: list[UUID]) -> None:
        try:
            with self.server.session() as session:
                session.execute("SET deadlock_timeout = '60s'")  # never its victim
                while not self.server.said(self.bites[0], since=self.since):
                    with session.transaction():
                        self._hold(session, runs)
        except Exception as error:  # told by end()
            self._failure = error

    def _hold(self, session: Session, runs: list[UUID]) -> None:
        first, second = (self._rows if runs else self._tables)(session, runs)
        first()
        with contextlib.suppress(NeverHappened):
            wait_for("somebody who waits", lambda: self._makes_wait(session), seconds=2)
        second()
        if self.server.said(self.bites[0], since=self.since):
            self.await_bite()

    def _makes_wait(self, session: Session) -> bool:
        """Whether somebody holds a run and waits for what this session has of its stream."""
        query = (
            "SELECT count(*) FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))"
            " AND (query LIKE 'UPDATE outbox_stream SET head%%' OR query LIKE 'INSERT INTO \"outbox_stream\"%%')"
        )
        return self.server.ask(query, session.info.backend_pid) != [(0,)]

    @staticmethod
    def _rows(session: Session, runs: list[UUID]) -> tuple[Callable[[], object], Callable[[], object]]:
        lock = "SELECT 1 FROM {} WHERE {} = ANY(%s) FOR UPDATE"
        return (
            lambda: session.execute(lock.format("outbox_stream", "key"), (runs,)),
            lambda: session.execute(lock.format("workflows_run", "id"), (runs,)),
        )

    @staticmethod
    def _tables(session: Session, runs: list[UUID]) -> tuple[Callable[[], object], Callable[[], object]]:
        return (
            lambda: session.execute("LOCK TABLE outbox_stream IN EXCLUSIVE MODE"),
            lambda: session.execute("LOCK TABLE workflows_run IN EXCLUSIVE MODE"),
        )
