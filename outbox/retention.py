"""Remove old entries of the log, a few at a time. Opt-in: `entry_retention_days`.

What is removed is the beginning of a stream, so that the log stays one piece: seqs `pruned + 1` … `head`. Whoever reads
from below `pruned` is told so, never led past the hole. What Redis was not given yet stays, however old.
"""

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Final, cast
from uuid import UUID

import redis
from django.db import transaction

from outbox import wire
from outbox.clock import Clock
from outbox.conf import conf
from outbox.models import Entry, Stream
from outbox.pacing import Pace
from outbox.redis import client

logger = logging.getLogger(__name__)

LOOKED_AT: Final = 5_000  # rows of one query; of most streams only the last entry is left, which stays
SWEEP_SECONDS: Final = 86_400


def prune(*, clock: Clock) -> int:
    """Remove published entries older than `entry_retention_days`, for a while; returns how many went.

    Any number of processes may do so at once. A pass goes on where the last one ended, since what stays (the last entry
    of each stream) grows with the table; once a day it begins at the oldest again, and finds what may go by now. What
    a turn passes over, because a writer has the stream, is found by the next call.
    """
    days = conf().entry_retention_days
    if not days:
        return 0
    end = wire.first_id_at(clock.now() - timedelta(days=days))
    pace, place, removed, is_whole = Pace(), _place(), 0, True
    after, is_anew = place, not place.int
    for _ in pace.turns():
        limits, last = _next_old(after, end)
        if last is None:
            break
        gone, is_done = _prune_streams(limits, pace)
        removed, after, is_whole = removed + gone, last, is_whole and is_done
        if is_whole:
            place = last
    if place.int:
        _keep_place(place, is_anew=is_anew)
    return removed


def _prune_streams(limits: Mapping[UUID, int], pace: Pace) -> tuple[int, bool]:
    """How many went, and whether none is left: of at least one stream, and of the others while there is time."""
    removed, is_done = 0, True
    for key, upto in limits.items():
        if removed and pace.is_over:
            return removed, False
        gone = prune_stream(key, upto=upto)
        removed, is_done = removed + gone, is_done and gone > 0
    return removed, is_done


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
    """Of the next old entries those that may go: the last seq of each stream; and the id to read on from.

    The rows are looked at here: a query that leaves out what stays would read all of it to find nothing.
    """
    old = Entry.objects.filter(id__gt=after, id__lt=end).order_by("id")
    rows = old.values_list("id", "stream_id", "seq", "stream__published", "stream__head")
    limits: dict[UUID, int] = {}
    found, last = 0, None
    for last, key, seq, published, head in rows[:LOOKED_AT]:  # noqa: B007 - it is the answer
        if seq <= min(published, head - 1):
            limits[key], found = max(seq, limits.get(key, 0)), found + 1
        if found == conf().retention_batch_rows:
            break
    return limits, last


def _place() -> UUID:
    """Where the last pass ended. Redis may forget it: then all is looked at once more."""
    try:
        kept = cast(bytes | None, client().get(wire.PRUNED))
    except redis.RedisError:
        kept = None
    return UUID(int=0) if kept is None else UUID(kept.decode())


def _keep_place(place: UUID, *, is_anew: bool) -> None:
    """Its time begins with the sweep and is not lengthened."""
    try:
        if is_anew:
            client().set(wire.PRUNED, str(place), ex=SWEEP_SECONDS)
        else:
            client().set(wire.PRUNED, str(place), xx=True, keepttl=True)
    except redis.RedisError as error:
        logger.info("place of retention not kept", extra={"error": type(error).__name__})
