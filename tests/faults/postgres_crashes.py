"""The database server ends at once, and what serves afterwards: itself, a replica, or an earlier state of it."""

import time
from collections.abc import Sequence
from uuid import UUID

from tests.faults.postgres_faults import BITE_SECONDS, Fault
from tests.faults.system import wait_for

AWAY_SECONDS = 0.4


class Restart(Fault):
    """It crashes, and comes back by itself."""

    def begin(self, runs: Sequence[UUID]) -> None:
        self.server.stop_at_once()

    def end(self) -> None:
        time.sleep(self.roll.uniform(0, AWAY_SECONDS))
        self.server.start()


class Failover(Fault):
    """It crashes, and a replica that has everything becomes the server."""

    def prepare(self) -> None:
        self.replica = self.postgres.new_server()
        self.replica.copy_from(self.server, follows=True)
        self.replica.start()
        wait_for("the replica following", self._follows, seconds=BITE_SECONDS)
        self._synchronous()

    def _follows(self) -> bool:
        return self.server.ask("SELECT state FROM pg_stat_replication") == [("streaming",)]

    def _synchronous(self) -> None:
        self.server.set("synchronous_standby_names", "*")
        wait_for(
            "the replica being waited for",
            lambda: self.server.ask("SELECT sync_state FROM pg_stat_replication") == [("sync",)],
            seconds=BITE_SECONDS,
        )

    def begin(self, runs: Sequence[UUID]) -> None:
        self.server.stop_at_once()

    def end(self) -> None:
        time.sleep(self.roll.uniform(0, AWAY_SECONDS))
        self.replica.promote()
        self.postgres.take_over(self.replica)


class FailoverBehind(Failover):
    """The replica lags: what was committed since the mark never happened."""

    keeps = False

    def _synchronous(self) -> None:
        """Not this one."""

    def mark(self) -> None:
        wait_for("the replica being abreast", self._is_abreast, seconds=BITE_SECONDS)
        self.replica.set("primary_conninfo", "")
        wait_for("the replica cut off", self._is_cut_off, seconds=BITE_SECONDS)

    def _is_cut_off(self) -> bool:
        """Both sides say so: one alone may only be between two tries."""
        receivers = self.replica.ask("SELECT pid FROM pg_stat_wal_receiver")
        senders = self.server.ask("SELECT pid FROM pg_stat_replication")
        heard = self.replica.ask("SELECT current_setting('primary_conninfo')")
        return not receivers and not senders and heard == [("",)]

    def _is_abreast(self) -> bool:
        query = "SELECT flush_lsn >= pg_current_wal_flush_lsn() FROM pg_stat_replication"
        return self.server.ask(query) == [(True,)]


class PointInTime(Fault):
    """Somebody restores the backup, and the log of changes up to the mark."""

    keeps = False
    point = "kept"

    def prepare(self) -> None:
        self.backup = self.postgres.new_server()
        self.backup.copy_from(self.server)

    def mark(self) -> None:
        self.server.ask("SELECT pg_create_restore_point(%s)", self.point)

    def begin(self, runs: Sequence[UUID]) -> None:
        self.server.stop_at_once()

    def end(self) -> None:
        self.backup.recover_to(self.point, archive=self.server.data / "pg_wal")
        self.backup.start()
        wait_for(
            "the end of the recovery",
            lambda: self.backup.ask("SELECT pg_is_in_recovery()") == [(False,)],
            seconds=BITE_SECONDS,
        )
        self.postgres.take_over(self.backup)


class Snapshot(Fault):
    """A copy of the disk from the time of the mark is put in its place: by its identity it is the same database."""

    keeps = False

    def mark(self) -> None:
        self.copy = self.postgres.new_server()
        self.copy.copy_from(self.server)

    def begin(self, runs: Sequence[UUID]) -> None:
        self.server.stop_at_once()

    def end(self) -> None:
        self.copy.start()
        self.postgres.take_over(self.copy)
