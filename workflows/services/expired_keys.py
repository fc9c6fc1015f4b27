"""Callers' idempotency keys that no longer count: nobody asks for them again, so somebody has to remove them."""

from datetime import timedelta

from django.db import transaction

from outbox.clock import Clock
from workflows.conf import conf
from workflows.models import RequestKey

BATCH_ROWS, BATCHES = 500, 20  # each batch is a transaction of its own, so that none locks many rows for long


def purge_expired_keys(*, clock: Clock) -> int:
    """Delete keys older than `request_key_seconds`, the oldest first, at most BATCH_ROWS x BATCHES. Returns how many.

    Any number of processes may do so at once.
    """
    until = clock.now() - timedelta(seconds=conf().request_key_seconds)
    purged = 0
    for _ in range(BATCHES):
        expired = RequestKey.objects.filter(created_at__lte=until).order_by("created_at")
        with transaction.atomic():  # two that delete the same rows in other orders would wait for each other
            locked = expired.select_for_update(skip_locked=True)
            batch = list(locked.values_list("pk", flat=True)[:BATCH_ROWS])
            purged += RequestKey.objects.filter(pk__in=batch).delete()[0]
        if len(batch) < BATCH_ROWS:
            break
    return purged
