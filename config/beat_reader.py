"""The thread of beat that speaks to the database, so that nothing else of beat has to."""

import logging
import threading
from typing import Any

from celery import current_app
from django_celery_beat.models import PeriodicTask

from config.beat_rows import TaskEntry
from config.conf import conf
from outbox.connections import give_back
from workflows.services.scheduling import TASK, TIMINGS, Schedule, schedule_of

logger = logging.getLogger(__name__)

# How long a beat that is stopped waits for its last write.
LAST_WRITE_SECONDS = 2.0


class Reader:
    """Reads the enabled rows again and again; one query each time, and its connection is given back.

    found: a number that grows with each reading, and what was read. While the database is away the last one stays.
    """

    def __init__(self) -> None:
        self.found: tuple[int, list[Schedule | TaskEntry]] = (0, [])
        self._unsaved: dict[int, dict[str, Any]] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="longhaul-schedules", daemon=True)
        self._is_away = False
        self._unusable: set[int] = set()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Write what is left to write, if the database is there. It is a daemon: one that hangs keeps nobody."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(LAST_WRITE_SECONDS)

    def save(self, pk: int, values: dict[str, Any]) -> None:
        """Have columns of a row written with the next reading."""
        with self._lock:
            self._unsaved[pk] = {**self._unsaved.get(pk, {}), **values}

    def read(self) -> None:
        """One write for each row that ran, one query for all. A database that is away is told once."""
        try:
            self._write()
            rows = list(PeriodicTask.objects.filter(enabled=True).select_related(*TIMINGS).order_by("pk"))
        except Exception as error:  # whatever the database says: the next reading asks again
            if not self._is_away:
                logger.warning("schedules not read", extra={"error": type(error).__name__})
            self._is_away = True
            return
        finally:
            give_back()
        self._is_away = False
        usable = [one for one in map(self._understood, rows) if one is not None]
        self.found = (self.found[0] + 1, usable)

    def _work(self) -> None:
        while True:
            try:
                self.read()
            except Exception as error:  # nobody starts this thread again
                logger.error("schedules not read", extra={"error": type(error).__name__})
            if self._stopping.wait(conf().schedule_read_seconds):
                self._last_write()
                return

    def _last_write(self) -> None:
        try:
            self._write()
        except Exception as error:
            logger.warning("last runs of schedules not saved", extra={"error": type(error).__name__})
        finally:
            give_back()

    def _write(self) -> None:
        """`update()`, not `save()`: that would count as an edit, and overwrite one."""
        with self._lock:
            unsaved, self._unsaved = self._unsaved, {}
        try:
            for pk in list(unsaved):
                PeriodicTask.objects.filter(pk=pk, enabled=True).update(**unsaved[pk])
                del unsaved[pk]
        finally:
            with self._lock:
                self._unsaved = {**unsaved, **self._unsaved}

    def _understood(self, task: PeriodicTask) -> Schedule | TaskEntry | None:
        """None for a row that cannot be used, which is told once."""
        try:
            one = schedule_of(task) if task.task == TASK else TaskEntry(task, app=current_app)
        except Exception as error:  # whatever a row says: the others go on
            if task.pk not in self._unusable:
                logger.error(
                    "schedule not usable", extra={"schedule": task.pk, "error": type(error).__name__}
                )
            self._unusable.add(task.pk)
            return None
        self._unusable.discard(task.pk)
        return one
