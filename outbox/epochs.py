"""When the database was restored to an earlier point: Redis and clients hold events that never happened, and new
ones reuse their numbers. The stream's epoch then moves on: its Redis stream begins anew under another name, cursors
carry the epoch, and whoever follows with an old one is told to reload.

Noticed by the relay (Redis has more than the database, or another event under a number), by the database's identity,
and by readers whose cursor is ahead. A reader only makes the relay look: the number that a stranger sends must not
make everybody reload.
"""

import logging
from collections.abc import Sequence
from uuid import UUID

import redis
from django.db import connection, models, transaction
from django.db.models import F, Q, Value
from django.db.models.functions import Greatest

from outbox import nudge, wire
from outbox.clock import Clock
from outbox.conf import conf
from outbox.models import Entry, KnownDatabase, Stream
from outbox.redis import client

logger = logging.getLogger(__name__)

# How long before the restored point a client may have read what it still holds, and what was published then.
ACTIVE_SECONDS = 3_600.0


def start_new_epoch(key: UUID, *, seen: int, clock: Clock) -> bool:
    """Move stream `key` from epoch `seen` to a new one; False when somebody did so before.

    The last event is published again in the new epoch, so that everybody hears of it.
    """
    with transaction.atomic():
        # A row that a writer holds is left alone: the relay comes to it again.
        streams = Stream.objects.filter(key=key, epoch=seen)
        is_free = streams.select_for_update(skip_locked=True, no_key=True).exists()
        if not is_free or not _move_on(streams, clock=clock):
            return False
    extra = {"run": str(key), "former_epoch": seen}
    logger.error("the database is behind what was published; the stream starts anew", extra=extra)
    _drop_former([(key, seen)])
    return True


def notice_restore(*, clock: Clock) -> int:
    """Compare the database's identity with the one that the log was last written to; how many streams start anew.

    A restore or failover ends every session, unless a pooler keeps it. Says nothing on SQLite, whose files have no
    identity, nor of a dump that was loaded into the same cluster: there the relay and the readers notice.
    """
    identity = _identity()
    if not identity or KnownDatabase.objects.filter(identity=identity).exists():
        return 0
    with transaction.atomic():
        known, is_first = KnownDatabase.objects.select_for_update().get_or_create(
            pk=1, defaults={"identity": identity, "since": clock.now()}
        )
        if is_first or known.identity == identity:  # another relay was faster
            return 0
        former = list(_recently_active().values_list("key", "epoch"))
        moved = _move_on(Stream.objects.filter(key__in=[key for key, _ in former]), clock=clock)
        KnownDatabase.objects.filter(pk=known.pk).update(identity=identity, since=clock.now())
    extra = {"identity": identity, "former_identity": known.identity, "streams": moved}
    logger.error("another database than before; streams start anew", extra=extra)
    _drop_former(former)
    return moved


def _identity() -> str:
    """PostgreSQL's cluster and timeline: the latter grows with each promotion and each restore to a point in time."""
    if connection.vendor != "postgresql":
        return ""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT system_identifier, left(pg_walfile_name(pg_current_wal_lsn()), 8) FROM pg_control_system()"
        )
        system, timeline = cursor.fetchone()
    return f"{system}/{timeline}"


def _recently_active() -> "models.QuerySet[Stream]":
    newest = Entry.objects.order_by("-id").values_list("id", flat=True).first()
    if newest is None:
        return Stream.objects.none()
    recent = Entry.objects.filter(id__gte=wire.id_before(newest, seconds=ACTIVE_SECONDS))
    return Stream.objects.filter(Q(closed=False) | Q(key__in=recent.values("stream_id")))


def _move_on(streams: "models.QuerySet[Stream]", *, clock: Clock) -> int:
    # Seconds since 1970 and not one more: restored again to a point before this, the database must not give out the
    # same epoch twice.
    now = int(clock.now().timestamp())
    return streams.update(
        epoch=Greatest(F("epoch") + 1, Value(now)),
        published=Greatest(F("head") - 1, F("pruned"), Value(0)),
        dirty=True,
        failures=0,
        retry_at=None,
    )


def _drop_former(former: Sequence[tuple[UUID, int]]) -> None:
    """Nobody reads the former streams any more; with Redis away they go when their time is over.

    An end is put in their place for a while: a relay that still holds events of a former epoch finds that all of them
    are there already. A missing key would take them.
    """
    try:
        with client().pipeline() as pipe:
            for key, epoch in former:
                name = wire.run_stream(wire.shard_of(key), key, epoch)
                pipe.delete(name)
                pipe.xadd(name, {"end": 1}, id=wire.LAST_ENTRY)
                pipe.expire(name, conf().run_stream_ttl_seconds)
            pipe.execute()
    except redis.RedisError as error:
        extra = {"streams": len(former), "error": type(error).__name__}
        logger.warning("former streams stay for a while", extra=extra)


def suspect(key: UUID, *, because: str = "a reader is ahead of the log") -> None:
    """Make the relay compare a stream with Redis."""
    if Stream.objects.filter(key=key, dirty=False).update(dirty=True):
        extra = {"run": str(key), "because": because}
        logger.warning("the relay will compare a stream with Redis", extra=extra)
        nudge.wake_relay(wire.shard_of(key), key)
