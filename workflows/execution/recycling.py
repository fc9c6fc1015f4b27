"""End a process whose bodies cannot be stopped: a thread cannot be killed, its process can.

A step that ran out of time was fenced off and goes on elsewhere, but its body still holds a thread, a connection and
memory. A child of the prefork pool has one body, so it ends at once; a process of threads ends when several hang, after
its other steps had time to finish. Whoever runs the process starts it anew.
"""

import logging
import os
import time
from collections.abc import Callable, Collection

from billiard.process import current_process

from workflows.conf import conf

logger = logging.getLogger(__name__)

EXIT_STATUS = 75  # sysexits.h: a temporary failure, try again


def in_pool_child() -> bool:
    """Whether this process is a child of Celery's prefork pool: it runs one body, and the pool replaces it."""
    return current_process().name != "MainProcess"


class Recycler:
    """Decides when the process ends. `stop_taking`: no more work for it. `end`: does not return."""

    def __init__(
        self,
        *,
        stop_taking: Callable[[], None],
        end: Callable[[int], object] = os._exit,
        is_child: Callable[[], bool] = in_pool_child,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stop_taking = stop_taking
        self._end = end
        self._is_child = is_child
        self._clock = clock
        self._stopping_since: float | None = None

    def look(self, ages: Collection[float], working: int) -> None:
        """ages: seconds that each body without a lease has gone on. working: bodies that have theirs."""
        limits = conf()
        abandoned = sum(age >= limits.abandon_grace_seconds for age in ages)
        bearable = abandoned < (1 if self._is_child() else limits.max_abandoned_bodies)
        if (
            bearable and self._stopping_since is None
        ):  # once it takes nothing new, it ends, whoever comes back
            return
        if self._is_child():
            logger.error("body abandoned; this child ends")
            self._end(EXIT_STATUS)
            return
        if self._stopping_since is None:
            self._stopping_since = self._clock()
            logger.error("bodies abandoned; this process ends soon", extra={"abandoned": abandoned})
            self._stop_taking()
        waited = self._clock() - self._stopping_since
        if working == 0 or waited >= limits.recycle_grace_seconds:
            self._end(EXIT_STATUS)
