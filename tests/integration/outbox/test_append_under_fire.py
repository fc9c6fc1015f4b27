"""Experiment A1 on PostgreSQL: eight writers of four streams, a tenth of the commits rolled back, deadlocks and
statements that run out of time, two relays at once. No hole, no other order, in the log and in Redis.
"""

import threading
from collections import Counter
from random import Random

import pytest
from django.db import OperationalError, connection, connections, transaction

from outbox import wire
from outbox.append import append
from outbox.clock import CLOCK
from outbox.models import Entry, ShardLease, Stream
from outbox.publisher import RedisPublisher
from outbox.relay import drain
from tests.factories import NOW, make_stream, messages

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        connection.vendor != "postgresql", reason="SQLite has one writer: nothing can deadlock"
    ),
]

WRITERS, COMMITS, SEED = 8, 40, 20261130


class Writer:
    """Locks two rows of its own trade in either order, then appends: the outbox's lock is always the last one."""

    def __init__(self, number: int, streams: list[Stream], rows: list[ShardLease]) -> None:
        self._roll, self._streams, self._rows = Random(SEED + number), streams, rows
        self.ends: Counter[str] = Counter()
        self.written: Counter[object] = Counter()

    def run(self) -> None:
        try:
            for _ in range(COMMITS):
                try:
                    self._commit()
                except OperationalError as error:  # the database's choice: this commit never was
                    self.ends[type(error.__cause__).__name__] += 1
        finally:
            connections.close_all()

    def _commit(self) -> None:
        roll, stream = self._roll, self._roll.choice(self._streams)
        count = roll.randint(1, 3)
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL deadlock_timeout = '5ms'; SET LOCAL statement_timeout = '400ms'")
            for row in roll.sample(self._rows, 2):
                ShardLease.objects.select_for_update().get(pk=row.pk)
            append(stream.key, messages(count), now=NOW)
            if roll.random() < 0.05:
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_sleep(2)")  # its number is given, and must come back
            if roll.random() < 0.1:
                transaction.set_rollback(True)
                self.ends["rollback"] += 1
                return
        self.written[stream.key] += count
        self.ends["commit"] += 1


def _relay(redis_client, done: threading.Event) -> None:
    try:
        publisher = RedisPublisher(redis_client)
        while not done.wait(0.002):
            drain(publisher, clock=CLOCK)
    finally:
        connections.close_all()


def _follow(stream: Stream, seen: list[int], done: threading.Event) -> None:
    """A reader with a cursor, as every client is one."""
    try:
        while True:
            was_done = done.is_set()
            fresh = Entry.objects.filter(stream=stream, seq__gt=seen[-1] if seen else 0).order_by("seq")
            seen += fresh.values_list("seq", flat=True)
            if was_done:
                return
            done.wait(0.002)
    finally:
        connections.close_all()


def test_rollbacks_deadlocks_and_time_outs_leave_no_hole_and_no_other_order(redis_client):
    streams = [make_stream(shard=number) for number in range(4)]
    rows = [ShardLease.objects.create(role="trade", shard=number) for number in range(4)]
    writers = [Writer(number, streams, rows) for number in range(WRITERS)]
    done, seen = threading.Event(), [list[int]() for _ in streams]
    beside = [threading.Thread(target=_relay, args=(redis_client, done)) for _ in range(2)]
    beside += [
        threading.Thread(target=_follow, args=(*pair, done)) for pair in zip(streams, seen, strict=True)
    ]
    threads = [threading.Thread(target=writer.run) for writer in writers]
    for thread in [*beside, *threads]:
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    for thread in beside:
        thread.join()
    drain(RedisPublisher(redis_client), clock=CLOCK)

    ends = sum((writer.ends for writer in writers), Counter[str]())
    told = f"seed {SEED}: {dict(ends)}"
    assert {"commit", "rollback", "DeadlockDetected", "QueryCanceled"} <= set(ends), told
    for stream, numbers in zip(streams, seen, strict=True):
        stream.refresh_from_db()
        whole = list(range(1, stream.head + 1))
        assert stream.head == sum(writer.written[stream.key] for writer in writers), told
        assert list(stream.entries.order_by("seq").values_list("seq", flat=True)) == whole, told
        assert numbers == whole, f"a reader saw {numbers}; {told}"
        rows_of = redis_client.xrange(wire.run_stream(stream.shard, stream.key, stream.epoch))
        assert [int(entry_id.partition(b"-")[0]) for entry_id, _ in rows_of] == whole, told
        in_firehose = [int(fields[b"seq"]) for _, fields in redis_client.xrange(wire.firehose(stream.shard))]
        assert in_firehose == whole, told
