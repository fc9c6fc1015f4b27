"""Ephemeral frames: shown live, never stored, lost without harm. Facts never travel here alone."""

import logging
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import redis

from outbox import wire
from outbox.conf import conf
from outbox.models import Audience
from outbox.nudge import breaker
from outbox.redis import client

logger = logging.getLogger(__name__)


def send_frame(key: UUID, frame: Mapping[str, Any], *, audience: Audience, max_entries: int) -> None:
    """Add one frame to the shard's bounded stream of frames. Never raises; shares the nudge's time limit."""
    if not breaker.allows():
        return
    fields: dict[Any, Any] = {"run": str(key), "aud": str(audience), "e": wire.encode(frame)}
    try:
        connection = client(timeout_seconds=conf().nudge_timeout_seconds)
        connection.xadd(wire.frames(wire.shard_of(key)), fields, maxlen=max_entries, approximate=True)
    except redis.RedisError as error:
        breaker.trip()
        logger.warning("frame dropped", extra={"run": str(key), "error": type(error).__name__})
