"""From the log to Redis: claim dirty streams, publish what Redis lacks, move the cursors.

A pass holds no lock and no transaction while it talks to Redis. Any number of relays may run at once: the append
script decides what is new, and `published` only says where to start reading.
"""

import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from outbox import cursors, epochs, wire
from outbox.backlog import Waiting, envelopes, read_backlog, read_named
from outbox.clock import Clock
from outbox.conf import conf
from outbox.cursors import Move
from outbox.failpoints import failpoint
from outbox.publisher import Answer, Appended, Batch, Diverged, Gap

logger = logging.getLogger(__name__)

# Batches travel to Redis in pipelines of about this size, so that a backlog does not become one huge request.
PIPELINE_BYTES = 250_000
BACKLOG_ENTRIES = 1_000  # of one pass: from here on a thread of its own to send them is worth making

ALL_SHARDS = frozenset(range(wire.SHARD_COUNT))

Claimed = tuple[Waiting, Batch]


class Publisher(Protocol):
    def publish(self, batches: Sequence[Batch]) -> list[Answer]: ...

    def forget(self, batch: Batch) -> None: ...


@dataclass(frozen=True)
class Passed:
    """What one pass did: entries published, and whether streams remain that may be taken up at once."""

    published: int
    more: bool


def relay_pass(publisher: Publisher, *, clock: Clock, shards: Collection[int] = ALL_SHARDS) -> Passed:
    """Publish the next batch of each of the next dirty streams. Raises redis errors when Redis is away."""
    limit = conf().relay_streams_per_pass
    waiting = read_backlog(shards, now=clock.now(), limit=limit)
    passed = _publish(publisher, waiting, clock=clock)
    return Passed(passed.published, passed.more or len(waiting) == limit)


def relay_named(publisher: Publisher, keys: Collection[UUID], *, clock: Clock) -> Passed:
    """As relay_pass(), for the streams that a commit or a reader named: they do not wait behind a backlog."""
    return _publish(publisher, read_named(keys), clock=clock)


def drain(publisher: Publisher, *, clock: Clock) -> int:
    """Passes until nothing is left that may be taken up now. Returns the entries published."""
    total, more = 0, True
    while more:
        passed = relay_pass(publisher, clock=clock)
        total, more = total + passed.published, passed.more
    return total


def _publish(publisher: Publisher, waiting: Sequence[Waiting], *, clock: Clock) -> Passed:
    published, more = 0, False
    if waiting:
        failpoint("outbox.relay.claimed")
    groups = _pipelines(_encoded(waiting, clock=clock))
    is_backlog = sum(len(stream.rows) for stream in waiting) >= BACKLOG_ENTRIES
    for group, answers in (_answered_beside if is_backlog else _answered)(publisher, groups):
        failpoint("outbox.relay.appended")
        passed = _settle(publisher, group, answers, clock=clock)
        failpoint("outbox.relay.settled")
        published, more = published + passed.published, more or passed.more
    return Passed(published, more)


def _answered(
    publisher: Publisher, groups: Iterable[list[Claimed]]
) -> Iterator[tuple[list[Claimed], list[Answer]]]:
    for group in groups:
        failpoint("outbox.relay.encoded")
        yield group, publisher.publish([batch for _, batch in group])


def _answered_beside(
    publisher: Publisher, groups: Iterable[list[Claimed]]
) -> Iterator[tuple[list[Claimed], list[Answer]]]:
    """The same, in half the time: while Redis takes a group, the next one is encoded and the former one settled."""
    before: tuple[list[Claimed], Future[list[Answer]]] | None = None
    with ThreadPoolExecutor(1, thread_name_prefix="longhaul-publish") as sender:
        for group in groups:
            failpoint("outbox.relay.encoded")
            sent = sender.submit(publisher.publish, [batch for _, batch in group])
            if before:
                yield before[0], before[1].result()
            before = group, sent
        if before:
            yield before[0], before[1].result()


def _encoded(waiting: Iterable[Waiting], *, clock: Clock) -> Iterator[Claimed]:
    for stream in waiting:
        try:
            yield stream, _batch(stream)
        except (TypeError, ValueError) as error:
            _refused(stream, error, clock=clock)


def _batch(stream: Waiting) -> Batch:
    """Raises what `wire.encode` raises for something that is no JSON."""
    is_stub = _is_at_fault(stream)
    first = stream.rows[0].seq if stream.rows else stream.published + 1
    return Batch(
        key=stream.key,
        shard=stream.shard,
        epoch=stream.epoch,
        base=stream.published,
        first=first,
        entries=[
            (audience, wire.encode(wire.stub(envelope) if is_stub else envelope))
            for audience, envelope in envelopes(stream)
        ],
        closes=stream.closed and first + len(stream.rows) - 1 == stream.head,
        is_stub=is_stub and bool(stream.rows),
    )


def _is_at_fault(stream: Waiting) -> bool:
    """Whether its next entry was refused alone, after the batches before were. If its tombstone is refused too, it
    was not the entry.
    """
    return stream.failures == conf().relay_poison_tries + 1


def _pipelines(claimed: Iterable[Claimed]) -> Iterator[list[Claimed]]:
    group: list[Claimed] = []
    size = 0
    for stream, batch in claimed:
        group.append((stream, batch))
        size += sum(len(envelope) for _, envelope in batch.entries)
        if size >= PIPELINE_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _settle(
    publisher: Publisher, group: Sequence[Claimed], answers: Sequence[Answer], *, clock: Clock
) -> Passed:
    moves: list[Move] = []
    published, more = 0, False
    for (stream, batch), answer in zip(group, answers, strict=True):
        match answer:
            case Appended(last=last):
                moves.append(Move(stream.key, stream.epoch, last, _failures_after(stream, batch)))
                published += len(batch.entries)
                more = more or batch.last < stream.head
            case Gap(last=last):
                _rewind(publisher, stream, batch, last)
                more = True
            case Diverged():
                epochs.start_new_epoch(stream.key, seen=stream.epoch, clock=clock)
                more = True
            case error:
                more = _refused(stream, error, clock=clock) == 0 or more
    cursors.move_cursors(moves)
    return Passed(published, _notice_ahead(group, moves, clock=clock) or more)


def _failures_after(stream: Waiting, batch: Batch) -> int:
    """One by one until the entry at fault is found: the innocent ones before it do not end the search."""
    if stream.failures == conf().relay_poison_tries and batch.last < stream.head:
        return stream.failures
    if batch.is_stub:
        extra = {"run": str(stream.key), "seq": batch.first}
        logger.error("entry replaced by a tombstone in Redis; the log has it", extra=extra)
    return 0


def _rewind(publisher: Publisher, stream: Waiting, batch: Batch, last: int) -> None:
    """Redis lost the tail it once had (a failover, an old backup): what is missing is in the log."""
    extra = {"run": str(stream.key), "published": stream.published, "to": last}
    logger.warning("stream rewound", extra=extra)
    failpoint("outbox.relay.rewound")
    if last < stream.pruned:  # the log has no longer what would continue it
        publisher.forget(batch)
    cursors.rewind(stream, last)


def _notice_ahead(group: Sequence[Claimed], moves: Sequence[Move], *, clock: Clock) -> bool:
    """Whether Redis has events that the database does not know: it was restored to an earlier point.

    Another relay may have published since what was written since: hence the heads are read again.
    """
    heads = {stream.key: stream.head for stream, _ in group}
    ahead = [(move.key, move.epoch, move.last) for move in moves if move.last > heads[move.key]]
    for key, epoch in cursors.behind(ahead):
        epochs.start_new_epoch(key, seen=epoch, clock=clock)
    return bool(ahead)


def _refused(stream: Waiting, error: Exception, *, clock: Clock) -> float:
    """Seconds that the stream waits now."""
    wait = cursors.back_off(stream, clock=clock)
    extra = {
        "run": str(stream.key),
        "seq": stream.published + 1,
        "failures": stream.failures + 1,
        "wait_seconds": wait,
        "error": f"{type(error).__name__}: {error}"[:200],
    }
    logger.error("stream not published", extra=extra)
    return wait
