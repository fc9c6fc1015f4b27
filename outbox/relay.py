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

import redis

from outbox import cursors, epochs, wire
from outbox.backlog import Waiting, envelopes, read_backlog, read_named, stub_of
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
            if _is_alone(stream) and _is_whole(stream):
                yield stream, _tombstone(stream, error)
            else:
                _refused(stream, error, clock=clock)


def _batch(stream: Waiting) -> Batch:
    """Raises ValueError for a log with a hole, and what `wire.encode` raises for something that is no JSON."""
    if not _is_whole(stream):
        raise ValueError(f"the log has a hole after {stream.published}")
    entries = [(audience, wire.encode(envelope)) for audience, envelope in envelopes(stream)]
    return _batch_of(stream, entries, is_stub=False)


def _tombstone(stream: Waiting, error: Exception) -> Batch:
    """Instead of the one entry that is refused. Of its content nothing is read."""
    (row,) = stream.rows
    extra = {"run": str(stream.key), "seq": row.seq, "error": f"{type(error).__name__}: {error}"[:200]}
    logger.error("entry replaced by a tombstone in Redis; the log has it", extra=extra)
    return _batch_of(stream, [(row.audience, wire.encode(stub_of(stream)))], is_stub=True)


def _batch_of(stream: Waiting, entries: list[tuple[str, bytes]], *, is_stub: bool) -> Batch:
    return Batch(
        key=stream.key,
        shard=stream.shard,
        epoch=stream.epoch,
        base=stream.published,
        first=stream.published + 1,
        entries=entries,
        closes=stream.closed and stream.published + len(entries) == stream.head,
        is_stub=is_stub,
    )


def _is_whole(stream: Waiting) -> bool:
    return all(row.seq == stream.published + number for number, row in enumerate(stream.rows, 1))


def _is_alone(stream: Waiting) -> bool:
    """Whether its entries go one by one now, so that a refusal is about the one entry."""
    return stream.failures >= conf().relay_poison_tries and len(stream.rows) == 1


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
    settled = [
        _buried(publisher, stream, batch, answer)
        for (stream, batch), answer in zip(group, answers, strict=True)
    ]
    moves = [
        Move(stream.key, stream.epoch, answer.last, _failures_after(stream, batch))
        for stream, batch, answer in settled
        if isinstance(answer, Appended)
    ]
    # The cursors first: of what follows nothing must keep them from moving.
    moved = cursors.move_cursors(moves)
    published, more = 0, _notice_ahead(group, moves, clock=clock)
    for stream, batch, answer in settled:
        match answer:
            case Appended():
                published += len(batch.entries)
                more = more or (batch.last < stream.head and stream.key in moved)
            case Gap(last=last):
                _rewind(publisher, stream, batch, last)
                more = True
            case Diverged():
                more = epochs.start_new_epoch(stream.key, seen=stream.epoch, clock=clock) or more
            case error:
                _refused(stream, error, clock=clock)
    return Passed(published, more)


def _buried(
    publisher: Publisher, stream: Waiting, batch: Batch, answer: Answer
) -> tuple[Waiting, Batch, Answer]:
    """If one entry alone is refused, and its tombstone is not, then it was the entry and not the stream."""
    if not isinstance(answer, redis.RedisError) or not _is_alone(stream) or batch.is_stub:
        return stream, batch, answer
    tombstone = _tombstone(stream, answer)
    (answer,) = publisher.publish([tombstone])
    return stream, tombstone, answer


def _failures_after(stream: Waiting, batch: Batch) -> int:
    """One by one until the entry at fault is found: the innocent ones before it do not end the search."""
    is_searching = _is_alone(stream) and not batch.is_stub and batch.last < stream.head
    return stream.failures if is_searching else 0


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


def _refused(stream: Waiting, error: Exception, *, clock: Clock) -> None:
    extra = {
        "run": str(stream.key),
        "seq": stream.published + 1,
        "failures": stream.failures + 1,
        "wait_seconds": cursors.back_off(stream, clock=clock),
        "error": f"{type(error).__name__}: {error}"[:200],
    }
    logger.error("stream not published", extra=extra)
