"""From the log to Redis: claim dirty streams, publish what Redis lacks, move the cursor.

A pass holds no lock and no transaction while it talks to Redis. Any number of relays may run at once: the append
script decides what is new, and `published` only says where to start reading.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

import redis
from django.db.models import BooleanField, Case, F, Value, When
from django.db.models.functions import Greatest, Least

from outbox import wire
from outbox.clock import Clock
from outbox.conf import conf
from outbox.failpoints import failpoint
from outbox.models import Stream
from outbox.publisher import Appended, Batch, Gap

logger = logging.getLogger(__name__)

# Batches travel to Redis in pipelines of about this size, so that a backlog does not become one huge request.
PIPELINE_BYTES = 1_000_000

MAX_FAILURES = 1_000  # counted so far; the wait has reached its cap long before


class Publisher(Protocol):
    def publish(self, batches: Sequence[Batch]) -> list[Appended | Gap | redis.RedisError]: ...


@dataclass(frozen=True)
class Passed:
    """What one pass did: entries published, and whether dirty streams remain that may be taken up at once."""

    published: int
    more: bool


def relay_pass(publisher: Publisher, *, clock: Clock) -> Passed:
    """Publish the next batch of each of the next dirty streams. Raises redis errors when Redis is away."""
    limit = conf().relay_streams_per_pass
    streams = list(Stream.objects.to_do(now=clock.now())[:limit])
    published, more = 0, len(streams) == limit
    for group in _pipelines(_batch(stream) for stream in streams):
        failpoint("outbox.relay.claimed")
        answers = publisher.publish([batch for _, batch in group])
        failpoint("outbox.relay.appended")
        for (stream, batch), answer in zip(group, answers, strict=True):
            published += _settle(stream, batch, answer, clock=clock)
            more = more or isinstance(answer, Gap) or len(batch.entries) == conf().relay_batch_size
    return Passed(published, more)


def _batch(stream: Stream) -> tuple[Stream, Batch]:
    # Not past the head as it was read: whether that one ended a round is known, of a later one it is not.
    entries = stream.entries.filter(seq__gt=stream.published, seq__lte=stream.head).order_by("seq")[
        : conf().relay_batch_size
    ]
    encoded = [(entry.audience, wire.encode(wire.envelope(entry))) for entry in entries]
    reaches_head = stream.published + len(encoded) == stream.head
    return stream, Batch(
        key=stream.key,
        shard=stream.shard,
        epoch=stream.epoch,
        base=stream.published,
        first=stream.published + 1,
        entries=encoded,
        closes=stream.closed and reaches_head,
    )


def _pipelines(batches: Iterable[tuple[Stream, Batch]]) -> Iterator[list[tuple[Stream, Batch]]]:
    group: list[tuple[Stream, Batch]] = []
    size = 0
    for stream, batch in batches:
        group.append((stream, batch))
        size += sum(len(envelope) for _, envelope in batch.entries)
        if size >= PIPELINE_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _settle(stream: Stream, batch: Batch, answer: Appended | Gap | redis.RedisError, *, clock: Clock) -> int:
    match answer:
        case Appended(last=last):
            _move_cursor(stream, batch, last)
            return len(batch.entries)
        case Gap(last=last):
            # Redis lost the tail it once had (a failover, an old backup): what is missing is in the log.
            logger.warning(
                "stream rewound", extra={"run": str(stream.key), "published": stream.published, "to": last}
            )
            Stream.objects.filter(key=stream.key).update(published=last, dirty=True)
            return 0
        case error:
            _back_off(stream, error, clock=clock)
            return 0


def _move_cursor(stream: Stream, batch: Batch, last: int) -> None:
    """Published up to `last`. Greatest and the comparison run on the row as it is now, not as we read it.

    `last` may pass the head only if the database was restored to an earlier point; the head then holds.
    """
    last = min(last, max(stream.head, batch.base + len(batch.entries)))
    still_dirty = Case(
        When(head__gt=last, then=Value(True)), default=Value(False), output_field=BooleanField()
    )
    Stream.objects.filter(key=stream.key).update(
        published=Greatest(F("published"), Value(last)), dirty=still_dirty, failures=0, retry_at=None
    )


def _back_off(stream: Stream, error: redis.RedisError, *, clock: Clock) -> None:
    """A stream that Redis refuses waits alone; the others go on."""
    limits = conf()
    wait = min(limits.relay_retry_cap_seconds, limits.relay_retry_seconds * 2.0 ** min(stream.failures, 30))
    logger.error(
        "stream not published",
        extra={
            "run": str(stream.key),
            "failures": stream.failures + 1,
            "wait_seconds": wait,
            "error": str(error)[:200],
        },
    )
    Stream.objects.filter(key=stream.key).update(
        failures=Least(F("failures") + 1, MAX_FAILURES), retry_at=clock.now() + timedelta(seconds=wait)
    )


def drain(publisher: Publisher, *, clock: Clock) -> int:
    """Passes until nothing is left that may be taken up now. Returns the entries published."""
    total = 0
    while True:
        passed = relay_pass(publisher, clock=clock)
        total += passed.published
        if not passed.more:
            return total
