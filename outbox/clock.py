"""The one clock of rows: read once a transaction, after its locks."""

from datetime import UTC, datetime
from typing import Protocol

from django.db import connection


class Clock(Protocol):
    def now(self) -> datetime: ...


class DatabaseClock:
    """The database's time on PostgreSQL, so that workers whose clocks differ agree; the host's on SQLite.

    `clock_timestamp()`, not `now()`: the latter stands still at the start of the transaction, before the locks.
    """

    def now(self) -> datetime:
        if connection.vendor != "postgresql":
            return datetime.now(UTC)
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            (moment,) = cursor.fetchone()
        assert isinstance(moment, datetime)
        return moment


CLOCK = DatabaseClock()
