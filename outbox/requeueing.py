"""Give streams that Redis refused another try at once: an operator's answer once the cause is mended."""

import logging
from collections.abc import Collection
from uuid import UUID

from django.db import models

from outbox import nudge
from outbox.models import Stream

logger = logging.getLogger(__name__)


def requeue(keys: Collection[UUID] | None, *, reason: str = "") -> list[UUID]:
    """Forget the failures of these streams, or of all (None), and wake the relay. Returns those that had failed.

    Safe at any time: what Redis has by now is skipped. reason: kept in the log.
    """
    failing = Stream.objects.filter(dirty=True, failures__gt=0)
    if keys is not None:
        failing = failing.filter(key__in=keys)
    return [key for key, shard in failing.values_list("key", "shard") if _try_again(key, shard, reason)]


def _try_again(key: UUID, shard: int, reason: str) -> bool:
    # One row a statement: an UPDATE of many would wait for each of their writers with the others locked.
    stream: models.QuerySet[Stream] = Stream.objects.filter(key=key, dirty=True, failures__gt=0)
    if not stream.update(failures=0, retry_at=None):
        return False
    logger.info("stream requeued", extra={"run": str(key), "reason": reason})
    nudge.wake_relay(shard, key)
    return True
