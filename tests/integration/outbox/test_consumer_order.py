"""Whatever is delivered, how often and by whom: applied is 1, 2, 3 … once each, in order."""

import random
import threading
import time
from collections.abc import Sequence
from contextlib import suppress

import hypothesis
import pytest
from django.db import connections
from hypothesis import strategies as st

from outbox import wire
from outbox.clock import CLOCK
from outbox.consuming import loop as loops
from outbox.consuming.comparing import Comparison
from outbox.consuming.logs import DatabaseLog
from outbox.consuming.loop import ConsumerLoop
from outbox.consuming.reader import Delivery, Reader
from outbox.failpoints import InjectedFailure, acting
from outbox.models import Stream
from tests.integration.outbox.hosing import Noting, applied, consumer_of, make_stream, pending, tell, write

pytestmark = pytest.mark.django_db(transaction=True)

LENGTH = 8


class Everybody:
    """Leases that were given to everyone, as if they did not work at all."""

    def __init__(self, role: str, *, clock: object) -> None: ...

    def hold(self, limit: int | None = None) -> set[int]:
        return set(range(wire.SHARD_COUNT))

    def holds(self, shard: int) -> bool:
        return True

    def release(self) -> None: ...


def test_three_consumers_of_one_shard_by_mistake_still_apply_each_stream_in_order_once(
    redis_client, monkeypatch, settings
):
    settings.LONGHAUL = {**settings.LONGHAUL, "CONSUMER_BATCH_SIZE": 5, "CONSUMER_COMPARISON_SECONDS": 0.2}
    monkeypatch.setattr(loops, "ShardLeases", Everybody)
    monkeypatch.setattr(loops, "POLL_SECONDS", 0.01)
    streams = [make_stream(number % 2) for number in range(40)]

    def slow(number: int) -> Noting:
        chance, handler = random.Random(number), Noting()
        handler.fails = lambda event: bool(time.sleep(chance.choice([0, 0, 0, 0.002, 0.01])))
        return handler

    running = [ConsumerLoop(consumer_of(slow(number)), connection=redis_client) for number in range(3)]
    threads = [
        threading.Thread(target=lambda it=loop: (it.run(), connections.close_all())) for loop in running
    ]
    for thread in threads:
        thread.start()
    chance = random.Random(7)
    for _ in range(4):
        chance.shuffle(streams)
        for stream in streams:
            write(stream, 2)
            stream.refresh_from_db()
            tell(redis_client, stream, stream.head - 1, stream.head)
    deadline = time.monotonic() + 60
    whole = list(range(1, LENGTH + 1))
    while time.monotonic() < deadline and not all(applied(stream) == whole for stream in streams):
        time.sleep(0.05)
    while time.monotonic() < deadline and pending(redis_client, 0) + pending(redis_client, 1):
        time.sleep(0.05)
    for loop in running:
        loop.stop()
    for thread in threads:
        thread.join()
    assert all(applied(stream) == whole for stream in streams)
    assert pending(redis_client, 0) + pending(redis_client, 1) == 0


def batches(length: int) -> st.SearchStrategy[list[list[tuple[int, bool]]]]:
    """What a firehose may bring: numbers in any order, some often, some never, some as stubs."""
    delivery = st.tuples(st.integers(1, length), st.sampled_from([False, False, False, True]))
    return st.lists(st.lists(delivery, min_size=1, max_size=5), max_size=8)


def delivered(stream: Stream, batch: Sequence[tuple[int, bool]]) -> list[Delivery]:
    events = {event.seq: event for event in DatabaseLog().entries(stream.key, epoch=1, after=0, limit=100)}
    return [Delivery(b"0-1", stream.key, None if stub else events[seq]) for seq, stub in batch]


@hypothesis.given(
    brought=batches(LENGTH),
    wanted=st.sets(st.integers(1, LENGTH)),
    killed_after=st.none() | st.integers(1, LENGTH),
    late=st.integers(0, LENGTH),
)
@hypothesis.settings(max_examples=30)
def test_any_interleaving_of_what_comes_ends_with_each_wanted_event_applied_once_in_order(
    brought, wanted, killed_after, late
):
    stream = make_stream()
    handler, left = Noting(), [killed_after]
    reader = Reader(consumer_of(handler), DatabaseLog(), clock=CLOCK, wants=lambda event: event.seq in wanted)

    def perhaps_kill() -> None:
        if left[0] is not None:
            left[0] -= 1
            if left[0] == 0:
                raise InjectedFailure

    write(stream, LENGTH - late) if late < LENGTH else None
    is_late = late > 0
    with acting("outbox.consume.applied", perhaps_kill):
        for number, batch in enumerate(brought):
            if is_late and number == len(brought) // 2:
                write(stream, late)
                is_late = False
            stream.refresh_from_db()
            there = [part for part in batch if part[0] <= stream.head]
            with suppress(InjectedFailure):
                reader.deliver(delivered(stream, there), warily=number % 2 == 0)
    if is_late:
        write(stream, late)
    comparison = Comparison(reader, range(wire.SHARD_COUNT), since=None, started=CLOCK.now())
    while not comparison.go_on():
        pass
    assert applied(stream) == sorted(wanted)
