"""The relay's Celery shell: drain, then linger for wake-ups, so that an event leaves milliseconds after its commit."""

import logging
import threading
import time
from typing import Any

import redis
from celery import shared_task
from celery.signals import worker_shutting_down
from django.db import DatabaseError

from outbox import wire
from outbox.clock import CLOCK
from outbox.conf import conf
from outbox.connections import drop_broken
from outbox.publisher import RedisPublisher
from outbox.redis import client
from outbox.relay import drain

logger = logging.getLogger(__name__)

# Without a wake-up the database is looked at this often; with Redis away, Redis is.
POLL_SECONDS = 1.0

# Beat sends the next relay while two linger; what else waited behind a stopped worker would only hold its threads.
LINGERING_MAX = 3
_lingering = threading.BoundedSemaphore(LINGERING_MAX)

# A warm shutdown waits for its tasks: one that lingers must hear of it.
_stopping = threading.Event()


@worker_shutting_down.connect(weak=False)
def stop_lingering(**_: Any) -> None:
    _stopping.set()


@shared_task(name="outbox.relay", ignore_result=True)
def relay() -> None:
    """Publish for about `relay_linger_seconds`, then end: beat starts the next one before that."""
    if _lingering.acquire(blocking=False):
        try:
            linger(seconds=conf().relay_linger_seconds)
        finally:
            _lingering.release()


def linger(*, seconds: float) -> None:
    """Drain and wait for wake-ups until `seconds` are over. Redis being away costs one probe a poll."""
    connection = client()
    publisher = RedisPublisher(connection)
    end = time.monotonic() + seconds
    while True:
        drop_broken()
        try:
            drain(publisher, clock=CLOCK)
            if _stopping.is_set() or time.monotonic() >= end:
                return
            connection.blpop([wire.wake(shard) for shard in range(wire.SHARD_COUNT)], timeout=POLL_SECONDS)
        except (redis.ConnectionError, redis.TimeoutError, DatabaseError) as error:
            logger.warning("Redis or database away; entries wait", extra={"error": type(error).__name__})
            if _stopping.wait(POLL_SECONDS) or time.monotonic() >= end:
                return
