"""How often one caller did something lately, counted in Redis for all processes. While Redis is away all are let
through: a limit protects the service, and must not be what stops it.
"""

import logging
from dataclasses import dataclass

from redis import RedisError

from outbox.nudge import Breaker
from outbox.redis import client
from workflows.credentials import digest

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 0.25
KEY_CHARS = 32  # of the hash: names of people do not lie about in Redis

breaker = Breaker()


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """At most `most` of `what` in `seconds`, from the first one on. most: 0 is no limit."""

    what: str
    most: int
    seconds: int


def spend(limit: Limit, key: str) -> float | None:
    """One more by `key`. None: it fits; else the seconds until there is room again."""
    return _over(limit, key, add=1)


def look(limit: Limit, key: str) -> float | None:
    """Whether another one would fit, without adding it."""
    return _over(limit, key, add=0)


def _over(limit: Limit, key: str, *, add: int) -> float | None:
    if not limit.most or not breaker.allows():
        return None
    name = f"lh-limit:{limit.what}:{digest(key)[:KEY_CHARS]}"
    try:
        with client(timeout_seconds=TIMEOUT_SECONDS).pipeline() as pipe:
            pipe.set(name, 0, ex=limit.seconds, nx=True)
            pipe.incrby(name, add)
            pipe.pttl(name)
            _, count, left_ms = pipe.execute()
    except RedisError as error:
        breaker.trip()
        extra = {"what": limit.what, "error": type(error).__name__}
        logger.warning("limit not counted: all are let through", extra=extra)
        return None
    fits = count <= limit.most if add else count < limit.most
    return None if fits else max(1.0, left_ms / 1_000)
