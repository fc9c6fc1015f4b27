"""Defects of consumers that a review found. Each test says what should hold, and fails until it does."""

import time
from contextlib import suppress
from datetime import timedelta

import pytest

from outbox import wire
from outbox.consuming import loop as loops
from outbox.consuming.logs import RedisLog
from outbox.consuming.loop import RETRIES, ConsumerLoop
from outbox.models import DeadLetter, Entry, Inbox, ShardLease, Stream
from outbox.publisher import RedisPublisher
from outbox.relay import drain
from tests.integration.outbox.hosing import (
    NAME,
    Noting,
    applied,
    consumer_of,
    make_stream,
    pending,
    tell,
    write,
)
from tests.invoicing.models import Line

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def quick(settings, monkeypatch):
    monkeypatch.setattr(loops, "POLL_SECONDS", 0.001)
    settings.LONGHAUL = {**settings.LONGHAUL, "CONSUMER_COMPARISON_SECONDS": 0.000_001}


def turns(loop: ConsumerLoop, count: int = 6) -> None:
    for _ in range(count):
        loop._try_turn()


class Killed(BaseException):
    pass


def test_an_event_that_takes_the_process_with_it_is_counted_too_when_it_came_from_the_log(
    redis_client, clock
):
    """A new consumer: the firehose was trimmed long since, the comparison brings the past."""
    stream, handler = make_stream(), Noting()
    write(stream, 2)

    def die(event) -> bool:
        if event.seq == 1:
            raise Killed
        return False

    handler.fails = die
    for _ in range(12):
        ShardLease.objects.update(holder=None, until=None)
        with suppress(Killed):
            turns(ConsumerLoop(consumer_of(handler), connection=redis_client, clock=clock))
    assert [letter.seq for letter in DeadLetter.objects.all()] == [1]
    assert applied(stream) == [2]


def publish(client, stream: Stream, *seqs: int, stub: int) -> None:
    key = wire.run_stream(stream.shard, stream.key, 1)
    for entry in Entry.objects.filter(stream=stream, seq__in=seqs).order_by("seq"):
        field = "stub" if entry.seq == stub else "e"
        fields = {"aud": entry.audience, field: wire.encode(wire.envelope(entry))}
        client.xadd(key, fields, id=f"{entry.seq}-0")


def test_a_tombstone_in_a_runs_own_stream_costs_no_event_after_it(redis_client, clock, monkeypatch):
    monkeypatch.setattr("outbox.consuming.reader.PAGE", 4)
    stream = make_stream()
    write(stream, 9)
    publish(redis_client, stream, *range(1, 10), stub=2)
    tell(redis_client, stream, 9)
    turns(ConsumerLoop(consumer_of(Noting(), log=RedisLog()), connection=redis_client, clock=clock))
    assert applied(stream) == [1, 3, 4, 5, 6, 7, 8, 9]


def test_what_a_late_sleeper_was_given_does_not_stay_pending_for_ever(redis_client, clock):
    sleeper = ConsumerLoop(consumer_of(Noting()), connection=redis_client, clock=clock)
    turns(sleeper)
    clock.turn(seconds=60)  # it sleeps past its lease
    successor = ConsumerLoop(consumer_of(Noting()), connection=redis_client, clock=clock)
    turns(successor)
    stream = make_stream()
    write(stream, 2)
    tell(redis_client, stream)
    sleeper._group.read([0], count=10, block_ms=None)  # its last call to Redis comes now
    turns(successor, 20)
    assert applied(stream) == [1, 2]  # by the comparison
    assert pending(redis_client) == 0  # else the firehose is trimmed no more


def test_retries_of_shards_that_nobody_has_starve_nobody(redis_client, clock):
    theirs = [make_stream(7) for _ in range(RETRIES)]
    ours = make_stream(0)
    write(ours, 1)
    now = clock.now()
    Inbox.objects.bulk_create(
        [Inbox(consumer=NAME, stream=each.key, retry_at=now - timedelta(hours=1)) for each in theirs]
    )
    Inbox.objects.create(consumer=NAME, stream=ours.key, failures=1, retry_at=now - timedelta(seconds=1))
    loop = ConsumerLoop(consumer_of(Noting()), connection=redis_client, clock=clock, at_most=1)
    loop._compare = lambda *_, **__: None  # type: ignore[method-assign]
    for _ in range(5):
        time.sleep(0.01)
        loop._try_turn()
    assert applied(ours) == [1]


def test_after_a_restore_what_redis_still_has_of_the_lost_history_costs_no_event_of_the_true_one(
    redis_client, clock
):
    """All on one database, as documented: "nothing is to be done"."""
    stream, publisher = make_stream(), RedisPublisher(redis_client)
    consumer = consumer_of(Noting())
    write(stream, 3)
    Stream.objects.update(dirty=True)
    drain(publisher, clock=clock)
    turns(ConsumerLoop(consumer, connection=redis_client, clock=clock))
    write(stream, 2)
    Stream.objects.update(dirty=True)
    drain(publisher, clock=clock)  # 4 and 5 are on the firehose, nobody has read them
    lost = set(Entry.objects.filter(stream=stream, seq__gt=3).values_list("id", flat=True))
    Entry.objects.filter(id__in=lost).delete()
    Stream.objects.update(head=3, published=3, dirty=False)  # the backup has 3 events, and 3 lines
    ShardLease.objects.update(holder=None, until=None)
    loop = ConsumerLoop(consumer, connection=redis_client, clock=clock)
    turns(loop)
    write(stream, 3)  # 4, 5, 6 of the true history
    Stream.objects.update(dirty=True)
    drain(publisher, clock=clock)
    turns(loop, 10)
    stream.refresh_from_db()
    assert stream.epoch > 1
    in_true_epoch = Line.objects.filter(run=stream.key, seconds=stream.epoch)
    assert sorted(in_true_epoch.values_list("seq", flat=True)) == [4, 5, 6]
