"""Ephemeral frames: shown live, never stored, lost without harm. Facts never travel here alone.

The latest frame of a kind may be kept beside them for a while, under a name, for those who come in the middle.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

import redis

from outbox import wire
from outbox.conf import conf
from outbox.models import Audience
from outbox.nudge import breaker
from outbox.redis import client

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Latest:
    """What somebody who comes now should be sent first. All that is kept of a run goes `ttl_seconds` after the last."""

    name: str
    frame: Mapping[str, Any]
    ttl_seconds: int


def send_frame(
    key: UUID, frame: Mapping[str, Any], *, audience: Audience, max_entries: int, latest: Latest | None = None
) -> bool:
    """Add one frame to the shard's bounded stream of frames, and keep `latest`. Returns whether it was taken.

    Never raises; shares the nudge's time limit.
    """
    fields: dict[Any, Any] = {"run": str(key), "aud": str(audience), "e": wire.encode(frame)}
    shard = wire.shard_of(key)

    def send(pipe: "redis.client.Pipeline") -> None:
        pipe.xadd(wire.frames(shard), fields, maxlen=max_entries, approximate=True)
        if latest:
            kept = wire.latest(shard, key)
            value: Any = b"%b\n%b" % (audience.encode(), wire.encode(latest.frame))
            pipe.hset(kept, latest.name, value)
            pipe.expire(kept, latest.ttl_seconds)

    return _try(key, send)


def forget_latest(key: UUID, name: str) -> bool:
    """Keep nothing under `name` any more. Never raises."""
    return _try(key, lambda pipe: pipe.hdel(wire.latest(wire.shard_of(key), key), name))


def read_latest(key: UUID) -> list[tuple[str, bytes]]:
    """What is kept of a run: audience and frame of each. Never raises: nothing, while Redis is away."""
    if not breaker.allows():
        return []
    try:
        connection = client(timeout_seconds=conf().nudge_timeout_seconds)
        kept = cast(dict[bytes, bytes], connection.hgetall(wire.latest(wire.shard_of(key), key)))
    except redis.RedisError as error:
        breaker.trip()
        logger.warning("latest frames not read", extra={"run": str(key), "error": type(error).__name__})
        return []
    pairs = (value.partition(b"\n") for _, value in sorted(kept.items()))
    return [(audience.decode(), frame) for audience, _, frame in pairs]


def _try(key: UUID, send: Any) -> bool:
    if not breaker.allows():
        return False
    try:
        with client(timeout_seconds=conf().nudge_timeout_seconds).pipeline(transaction=False) as pipe:
            send(pipe)
            pipe.execute()
    except redis.RedisError as error:
        breaker.trip()
        logger.warning("frame dropped", extra={"run": str(key), "error": type(error).__name__})
        return False
    return True
