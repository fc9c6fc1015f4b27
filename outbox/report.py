"""The whole state of the outbox in one object, and what of it needs a human."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import redis
from django.db import Error as DatabaseError

from outbox import status
from outbox.clock import Clock
from outbox.conf import conf
from outbox.firehose import Firehose, moment_of, read_firehoses
from outbox.tombstones import Tombstone, read_tombstones
from outbox.trimming import LAG_ALARM_SHARE


@dataclass(frozen=True, kw_only=True)
class FromDatabase:
    """taken_at: by the database's clock."""

    taken_at: datetime
    backlog: status.Backlog
    poison: Sequence[status.Poison]
    leases: Sequence[status.Lease]
    dead_letters: Sequence[status.DeadLetters]


@dataclass(frozen=True, kw_only=True)
class FromRedis:
    """entries_added: over all shards, since their keys were made; two readings give a rate."""

    firehoses: Sequence[Firehose]
    tombstones: Sequence[Tombstone]
    last_published_at: datetime | None

    @property
    def entries_added(self) -> int:
        return sum(firehose.entries_added for firehose in self.firehoses)


@dataclass(frozen=True, kw_only=True)
class Report:
    """Either part is None while it is away."""

    database: FromDatabase | None
    redis: FromRedis | None

    def troubles(self) -> list[str]:
        """A sentence for each thing that needs a human; none: all is well."""
        return [*_of_database(self.database), *_of_redis(self.redis)]


def read_report(connection: "redis.Redis", *, clock: Clock) -> Report:
    """Never raises because a part is away."""
    return Report(database=_ask_database(clock), redis=_ask_redis(connection))


def _ask_database(clock: Clock) -> FromDatabase | None:
    try:
        return FromDatabase(
            taken_at=clock.now(),
            backlog=status.read_backlog(),
            poison=status.read_poison(),
            leases=status.read_leases(clock=clock),
            dead_letters=status.read_dead_letters(),
        )
    except DatabaseError:
        return None


def _ask_redis(connection: "redis.Redis") -> FromRedis | None:
    try:
        firehoses = read_firehoses(connection)
        last = max((firehose.last for firehose in firehoses if firehose.last), default=None)
        return FromRedis(
            firehoses=firehoses,
            tombstones=read_tombstones(connection),
            last_published_at=None if last is None else moment_of(last),
        )
    except redis.RedisError:
        return None


def _of_database(part: FromDatabase | None) -> Iterator[str]:
    if part is None:
        yield "the database does not answer"
        return
    yield from backlog_troubles(part.backlog, now=part.taken_at)
    if part.poison:
        more = "+" if len(part.poison) >= status.LISTED_MAX else ""
        yield f"{len(part.poison)}{more} streams cannot be published: see the log for their errors, then requeue them"
    for letters in part.dead_letters:
        yield f"{letters.count:,}{'+' if letters.is_capped else ''} dead letters of {letters.consumer}"


def backlog_troubles(backlog: status.Backlog, *, now: datetime) -> Iterator[str]:
    if backlog.oldest_at is None:
        return
    waited = (now - backlog.oldest_at).total_seconds()
    if waited > conf().lag_alarm_seconds:
        yield f"the oldest entry waits for {waited:.0f} s: no relay runs, Redis is away, or it cannot keep up"


def backlog_text(backlog: status.Backlog, *, now: datetime) -> str:
    """One sentence: how many wait, and for how long."""
    if not backlog.streams:
        return "nothing waits" + (f", {backlog.compared} streams to compare" if backlog.compared else "")
    more = "+" if backlog.is_capped else ""
    waited = "" if backlog.oldest_at is None else f", the oldest for {ago(backlog.oldest_at, now)}"
    return f"{backlog.entries:,}{more} entries of {backlog.streams:,}{more} streams wait{waited}"


def ago(moment: datetime, now: datetime) -> str:
    seconds = max(0.0, (now - moment).total_seconds())
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:,.0f} min"


def _of_redis(part: FromRedis | None) -> Iterator[str]:
    if part is None:
        yield "Redis does not answer: entries wait in the database, nothing is lost"
        return
    if part.tombstones:
        yield f"{len(part.tombstones)} entries became tombstones in Redis; readers get them from the database"
    for firehose in part.firehoses:
        for group in firehose.groups:
            named = f"group {group.name} of shard {firehose.shard}"
            if group.lost:
                yield f"{named} lost {group.lost} entries: they were trimmed before it had read them"
            elif (group.lag or 0) > LAG_ALARM_SHARE * conf().firehose_max_entries:
                yield f"{named} is {group.lag} entries behind, and will lose some"
