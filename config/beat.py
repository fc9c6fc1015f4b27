"""Celery's beat with schedules from the database, for which its own table never waits.

The entries of `config.celery` stay in memory, and no query stands in their way: a thread reads the rows of
`django_celery_beat`, so the sweeper's beat goes on while the database is away or hangs. Beat writes nothing for our
schedules: `workflows.services.scheduling` notes in the row what was dealt with, and beat points at a row that is due
until it is. Stock `DatabaseScheduler` copies the code's table into rows, and saves each of them again and again.
"""

import logging
from datetime import UTC, datetime
from typing import Any

from celery import Celery
from celery.beat import ScheduleEntry, Scheduler, SchedulingError
from kombu.exceptions import OperationalError

from config.beat_reader import Reader
from config.beat_rows import RunRow, TaskRow
from workflows.services.scheduling import Schedule

logger = logging.getLogger(__name__)

# A clock that is set, and rows that were just read, are noticed after this long.
LOOK_SECONDS = 1.0


class Beat(Scheduler):
    """`celery beat --scheduler config.beat.Beat`. Any number may run at once: what it sends for a run is a hint."""

    def __init__(self, app: Celery, *, lazy: bool = False, **kwargs: Any) -> None:
        super().__init__(app, lazy=lazy, **kwargs)
        self.reader = Reader()
        self._rows: dict[int, RunRow | TaskRow] = {}
        self._unusable: set[int] = set()  # and told so
        self._generation = 0
        if not lazy:  # `lazy`: only to be looked at
            self.reader.start()

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send what is due. Returns seconds to sleep; 0: call again at once."""
        wait = float(super().tick(*args, **kwargs))
        return min(wait, self.send_rows(datetime.now(UTC)))

    def send_rows(self, now: datetime) -> float:
        """Send for each row that is due. Returns the seconds until one may be again."""
        self._take_over()
        wait = LOOK_SECONDS
        for row in list(self._rows.values()):
            try:
                if row.is_due(now):
                    if not self._is_sent(row.entry(), row.id):
                        return LOOK_SECONDS  # no second time-out before the next sweeper's beat
                    row.sent(now)
                wait = min(wait, row.rest_seconds(now))
            except Exception as error:  # whatever a row says: the sweeper and the others go on
                self._put_aside(row.id, error)
            else:
                self._unusable.discard(row.id)
        return max(wait, 0.0)

    def close(self) -> None:
        self.reader.stop()
        super().close()

    def _is_sent(self, entry: ScheduleEntry, row_id: int) -> bool:
        """False while the broker is away: the row stays due. Raises for what no broker would be sent of this row."""
        try:
            self.apply_async(entry, producer=self.producer, advance=False)
        except Exception as error:
            # Celery wraps what it met, and does not name it as the cause.
            met = error.__context__ if isinstance(error, SchedulingError) else error
            if not isinstance(met, (OperationalError, OSError, *self.connection.connection_errors)):
                raise
            logger.warning("schedule not sent", extra={"schedule": row_id, "error": type(met).__name__})
            return False
        return True

    def _put_aside(self, row_id: int, error: Exception) -> None:
        """Until rows are read again: one that fails after it was sent would be sent with every look. Told once."""
        del self._rows[row_id]
        if row_id not in self._unusable:
            logger.error("schedule not usable", extra={"schedule": row_id, "error": type(error).__name__})
        self._unusable.add(row_id)

    def _take_over(self) -> None:
        """What was read since the last look. A row that stays keeps what it knows of its messages."""
        generation, found = self.reader.found
        if generation == self._generation:
            return
        rows: dict[int, RunRow | TaskRow] = {}
        for one in found:
            known = self._rows.get(one.id)
            if isinstance(one, Schedule):
                run_row = known if isinstance(known, RunRow) else RunRow(app=self.app)
                run_row.renew(one)
                rows[one.id] = run_row
            else:
                task_row = known if isinstance(known, TaskRow) else TaskRow(save=self.reader.save)
                task_row.renew(one)
                rows[one.id] = task_row
        self._generation, self._rows = generation, rows
