"""The wake-up on commit: a hint that saves the relay's next poll, and nothing more.

Not a Celery message: publishing one to a frozen Redis was measured to block for as long as it stays frozen.
"""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import redis

from outbox import wire
from outbox.conf import conf
from outbox.redis import client

logger = logging.getLogger(__name__)

# After a failure nobody tries again for this long, so a frozen Redis costs one time-out a pause, not one a commit.
PAUSE_SECONDS = 1.0


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


def wake_relay(shard: int) -> None:
    """Tell a waiting relay that a stream of `shard` is dirty. Never raises, never waits longer than its limit."""
    if not breaker.allows():
        return
    key = wire.wake(shard)
    try:
        with client(timeout_seconds=conf().nudge_timeout_seconds).pipeline(transaction=False) as pipe:
            pipe.lpush(key, 1)
            pipe.ltrim(key, 0, 0)  # coalesced: a hundred commits while no relay listens leave one wake-up
            pipe.execute()
    except redis.RedisError as error:
        breaker.trip()
        logger.warning("relay not woken", extra={"shard": shard, "error": type(error).__name__})
