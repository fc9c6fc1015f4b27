"""How the outbox is doing, for whoever operates it: reads only, each cheap on a table of any size.

What the database knows (`read_backlog`, `read_poison` …) and what Redis knows (`outbox.firehose`) are read apart, so
that each is told while the other is away.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db.models import F, OuterRef, Subquery

from outbox.clock import Clock
from outbox.models import DeadLetter, Entry, ShardLease, Stream

COUNT_MAX: Final = 10_000  # rows that are looked at, at most: what is more is told as "10,000+"
LISTED_MAX: Final = 50


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """What Redis was not given yet.

    compared: streams that the relay is only to compare with Redis. oldest_at: when the oldest entry was committed.
    by_shard: waiting entries. is_capped: there are at least so many, and the oldest may be older.
    """

    streams: int
    entries: int
    compared: int
    oldest_at: datetime | None
    by_shard: Mapping[int, int] = field(default_factory=dict)
    is_capped: bool = False


@dataclass(frozen=True, kw_only=True)
class Poison:
    """A stream that Redis refuses: it waits alone, and its entry at fault ends as a tombstone."""

    run: UUID
    seq: int
    waiting: int
    failures: int
    retry_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Lease:
    """Who works on which shards. until: the end of the one that ends first."""

    role: str
    holder: UUID
    shards: Sequence[int]
    until: datetime
    is_over: bool


@dataclass(frozen=True, kw_only=True)
class DeadLetters:
    """is_capped: there are at least so many, and the oldest may be older."""

    consumer: str
    count: int
    oldest_at: datetime
    is_capped: bool = False


def read_backlog() -> Backlog:
    """One query over the partial index of dirty streams, and the next entry of each."""
    next_entry = Entry.objects.filter(stream=OuterRef("pk"), seq=OuterRef("published") + 1)
    dirty = Stream.objects.filter(dirty=True).annotate(since=Subquery(next_entry.values("created_at")))
    rows = list(dirty.values_list("shard", F("head") - F("published"), "since")[: COUNT_MAX + 1])
    by_shard: Counter[int] = Counter()
    for shard, missing, _ in rows[:COUNT_MAX]:
        by_shard[shard] += missing
    waiting = [since for _, missing, since in rows[:COUNT_MAX] if missing]
    return Backlog(
        streams=len(waiting),
        entries=by_shard.total(),
        compared=len(rows[:COUNT_MAX]) - len(waiting),
        oldest_at=min((since for since in waiting if since is not None), default=None),
        by_shard=dict(by_shard),
        is_capped=len(rows) > COUNT_MAX,
    )


def read_poison() -> list[Poison]:
    """The streams that failed most often, LISTED_MAX of them at most."""
    failing = Stream.objects.filter(dirty=True, failures__gt=0).order_by("-failures", "key")
    return [
        Poison(
            run=stream.key,
            seq=stream.published + 1,
            waiting=stream.head - stream.published,
            failures=stream.failures,
            retry_at=stream.retry_at,
        )
        for stream in failing[:LISTED_MAX]
    ]


def read_leases(*, clock: Clock) -> list[Lease]:
    """One for each holder of a role."""
    held: dict[tuple[str, UUID], list[ShardLease]] = {}
    for row in ShardLease.objects.order_by("role", "shard"):
        if row.holder is not None and row.until is not None:
            held.setdefault((row.role, row.holder), []).append(row)
    now = clock.now()
    leases = []
    for (role, holder), rows in held.items():
        until = min(row.until for row in rows if row.until is not None)
        shards = [row.shard for row in rows]
        leases.append(Lease(role=role, holder=holder, shards=shards, until=until, is_over=until <= now))
    return leases


def read_dead_letters() -> list[DeadLetters]:
    """What consumers skipped after their last try, counted up to COUNT_MAX of each."""
    letters, found = list[DeadLetters](), DeadLetter.objects.order_by("consumer")
    while consumer := found.values_list("consumer", flat=True).first():
        mine = DeadLetter.objects.filter(consumer=consumer).values_list("created_at", flat=True)
        moments = list(mine[: COUNT_MAX + 1])
        counted, is_capped = moments[:COUNT_MAX], len(moments) > COUNT_MAX
        letters.append(
            DeadLetters(consumer=consumer, count=len(counted), oldest_at=min(counted), is_capped=is_capped)
        )
        found = found.filter(consumer__gt=consumer)
    return letters
