"""Remove old entries of the log, a few at a time. Opt-in: `entry_retention_days`.

What is removed is the beginning of a stream, so that the log stays one piece: seqs `pruned + 1` … `head`. Whoever reads
from below `pruned` is told so, never led past the hole. What Redis was not given yet stays, however old.
"""

from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F

from outbox import wire
from outbox.clock import Clock
from outbox.conf import conf
from outbox.models import Entry, Stream
from outbox.pacing import Pace


def prune(*, clock: Clock) -> int:
    """Remove published entries older than `entry_retention_days`, for a while; returns how many went.

    Any number of processes may do so at once. What a turn passes over, because a writer has the stream, is found by the
    next call.
    """
    days = conf().entry_retention_days
    if not days:
        return 0
    end, after, removed = wire.first_id_at(clock.now() - timedelta(days=days)), UUID(int=0), 0
    for _ in Pace().turns():
        limits, last = _next_old(after, end)
        if last is None:
            break
        for key, upto in limits.items():
            removed += prune_stream(key, upto=upto)
        after = last
    return removed


def prune_stream(key: UUID, *, upto: int) -> int:
    """Remove the entries of a stream up to seq `upto`, at most `retention_batch_rows` of them; returns how many.

    Never one that is not published, and never the last one: of a closed stream its type says how the round ended.
    One transaction, which takes the stream's row as a writer does, and nothing when a writer has it.
    """
    with transaction.atomic(durable=True):
        found = Stream.objects.select_for_update(no_key=True, skip_locked=True).filter(key=key)
        stream = found.first()
        if stream is None:
            return 0
        upto = min(upto, stream.published, stream.head - 1, stream.pruned + conf().retention_batch_rows)
        if upto <= stream.pruned:
            return 0
        Stream.objects.filter(key=key).update(pruned=upto)
        return Entry.objects.filter(stream_id=key, seq__gt=stream.pruned, seq__lte=upto).delete()[0]


def _next_old(after: UUID, end: UUID) -> tuple[dict[UUID, int], UUID | None]:
    """The next old entries that may go: the last seq of each stream among them, and the id to read on from."""
    old = Entry.objects.filter(
        id__gt=after, id__lt=end, seq__lte=F("stream__published"), seq__lt=F("stream__head")
    )
    rows = list(old.order_by("id").values_list("id", "stream_id", "seq")[: conf().retention_batch_rows])
    limits: dict[UUID, int] = {}
    for _, key, seq in rows:
        limits[key] = max(seq, limits.get(key, 0))
    return limits, rows[-1][0] if rows else None
