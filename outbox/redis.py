"""The one place where Redis clients are made, so that every one has a socket time-out and a name.

redis-py 8 would give each client a silent 5 s read time-out with ten retries; stating ours keeps both versions
alike. A blocking read must therefore ask for less than BLOCKING_TIMEOUT_SECONDS.
"""

from functools import cache

import redis
import redis.asyncio
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

SOCKET_TIMEOUT_SECONDS = 5.0
MAX_BLOCK_SECONDS = 2.0


@cache
def client(*, timeout_seconds: float = SOCKET_TIMEOUT_SECONDS) -> "redis.Redis":
    """A thread-safe pooled client. Replies are bytes. Does not retry: each caller has its own answer to a cut."""
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
        retry=Retry(NoBackoff(), 0),
        client_name="longhaul",
    )


def async_client() -> "redis.asyncio.Redis":
    """A client for the running event loop; the caller closes it."""
    return redis.asyncio.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=SOCKET_TIMEOUT_SECONDS,
        socket_connect_timeout=SOCKET_TIMEOUT_SECONDS,
        client_name="longhaul-async",
    )
