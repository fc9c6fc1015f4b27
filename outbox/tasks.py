"""The relay's Celery shell: drain, then linger for wake-ups, so that an event leaves milliseconds after its commit."""

import logging
import time

import redis
from celery import shared_task
from django.db import close_old_connections

from outbox import wire
from outbox.clock import CLOCK
from outbox.conf import conf
from outbox.publisher import RedisPublisher
from outbox.redis import client
from outbox.relay import drain

logger = logging.getLogger(__name__)

# Without a wake-up the database is looked at this often; with Redis away, Redis is.
POLL_SECONDS = 1.0


@shared_task(name="outbox.relay", ignore_result=True)
def relay() -> None:
    """Publish for about `relay_linger_seconds`, then end: beat starts the next one before that."""
    linger(seconds=conf().relay_linger_seconds)


def linger(*, seconds: float) -> None:
    """Drain and wait for wake-ups until `seconds` are over. Redis being away costs one probe a poll."""
    connection = client()
    publisher = RedisPublisher(connection)
    end = time.monotonic() + seconds
    while True:
        close_old_connections()
        try:
            drain(publisher, clock=CLOCK)
            if time.monotonic() >= end:
                return
            connection.blpop([wire.wake(shard) for shard in range(wire.SHARD_COUNT)], timeout=POLL_SECONDS)
        except (redis.ConnectionError, redis.TimeoutError) as error:
            logger.warning("Redis is away; entries wait", extra={"error": type(error).__name__})
            if time.monotonic() >= end:
                return
            time.sleep(POLL_SECONDS)
