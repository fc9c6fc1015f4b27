"""The wake-up on commit: a hint that saves the relay's next poll, and nothing more.

Not a Celery message: publishing one to a frozen Redis was measured to block for as long as it stays frozen.
"""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import redis

from outbox import wire
from outbox.conf import conf
from outbox.redis import client

logger = logging.getLogger(__name__)

# After a failure nobody tries again for this long, so a frozen Redis costs one time-out a pause, not one a commit.
PAUSE_SECONDS = 1.0

NAMES_MAX = 1_000  # of one shard's streams that wait for a relay


class Breaker:
    """Open for PAUSE_SECONDS after each failure. Shared by the threads of a process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open_until = 0.0
        self._holds = 0

    def allows(self) -> bool:
        with self._lock:
            return not self._holds and time.monotonic() >= self._open_until

    @contextmanager
    def held_open(self) -> Iterator[None]:
        """For tests without Redis: until the block ends it is not tried."""
        with self._lock:
            self._holds += 1
        try:
            yield
        finally:
            with self._lock:
                self._holds -= 1

    def trip(self) -> None:
        with self._lock:
            self._open_until = time.monotonic() + PAUSE_SECONDS

    def reset(self) -> None:
        with self._lock:
            self._open_until = 0.0


breaker = Breaker()


def wake_relay(shard: int, key: UUID) -> None:
    """Tell the relay that stream `key` is dirty, or that somebody watches it. What is named goes before the backlog.

    Never raises. Waits for each answer within its limit; a new connection needs a few.
    """
    if not breaker.allows():
        return
    names = wire.wake(shard)
    try:
        with client(timeout_seconds=conf().nudge_timeout_seconds).pipeline(transaction=False) as pipe:
            pipe.lpush(names, str(key))
            pipe.ltrim(
                names, 0, NAMES_MAX - 1
            )  # while no relay listens; the others are found in the database
            pipe.execute()
    except redis.RedisError as error:
        breaker.trip()
        logger.warning("relay not woken", extra={"shard": shard, "error": type(error).__name__})
