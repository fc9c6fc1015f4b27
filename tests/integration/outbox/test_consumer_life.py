"""A consumer as a process: away servers, take-over, signals, dead letters, other logs."""

import os
import signal
import threading
import time
from collections.abc import Callable, Collection
from datetime import timedelta

import pytest
import redis
from django.core.management import CommandError, call_command
from django.db import OperationalError, connections, transaction

from outbox import consumer as consumers
from outbox import wire
from outbox.clock import CLOCK
from outbox.consuming import loop as loops
from outbox.consuming.dead_letters import apply_again
from outbox.consuming.logs import DatabaseLog, RedisLog
from outbox.consuming.loop import ConsumerLoop
from outbox.forgetting import forget_stream
from outbox.management.commands.consume import serve
from outbox.models import DeadLetter, Entry, Inbox, Stream
from tests.integration.outbox.hosing import (
    NAME,
    Noting,
    applied,
    consumer_of,
    make_stream,
    pending,
    place,
    tell,
    turns,
    write,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def quick(settings, monkeypatch):
    monkeypatch.setattr(loops, "POLL_SECONDS", 0.05)
    settings.LONGHAUL = {**settings.LONGHAUL, "CONSUMER_COMPARISON_SECONDS": 0.1, "SHARD_LEASE_SECONDS": 1.0}


def in_thread(loop: ConsumerLoop) -> threading.Thread:
    thread = threading.Thread(target=lambda: (loop.run(), connections.close_all()))
    thread.start()
    return thread


def wait_for(question: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not question():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_frozen_redis_is_waited_for_and_costs_no_effect(redis_client, redis_server):
    impatient = redis.Redis.from_url(redis_server, socket_timeout=0.3)
    loop = ConsumerLoop(consumer_of(Noting()), connection=impatient)
    stream = make_stream()
    write(stream, 3)
    tell(redis_client, stream)
    thread = in_thread(loop)
    wait_for(lambda: applied(stream) == [1, 2, 3])
    redis_client.client_pause(1_000)
    write(stream, 3)
    time.sleep(1)
    tell(redis_client, stream, 4, 5, 6)
    wait_for(lambda: applied(stream) == [1, 2, 3, 4, 5, 6] and pending(redis_client) == 0)
    loop.stop()
    thread.join(10)
    assert not thread.is_alive()
    impatient.close()


def test_a_database_that_was_away_is_asked_for_everything_anew(redis_client, monkeypatch):
    loop = ConsumerLoop(consumer_of(Noting()), connection=redis_client)
    stream = make_stream()
    loop._try_turn()
    hold = loop._leases.hold

    def fail(limit: int | None = None) -> set[int]:
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(loop._leases, "hold", fail)
    loop._hold_at = 0.0
    write(stream, 2)
    tell(redis_client, stream)
    loop._try_turn()
    assert (applied(stream), loop._compared) == ([], {})
    monkeypatch.setattr(loop._leases, "hold", hold)
    for _ in range(4):
        loop._try_turn()
    assert (applied(stream), pending(redis_client)) == ([1, 2], 0)


def test_another_process_takes_over_the_shards_of_one_that_is_silent(redis_client, settings):
    silent = ConsumerLoop(consumer_of(Noting()), connection=redis_client)
    silent.turn()
    stream = make_stream()
    write(stream, 2)
    tell(redis_client, stream)
    other = ConsumerLoop(consumer_of(Noting()), connection=redis_client)
    other.turn()
    assert applied(stream) == []
    begun = time.monotonic()
    thread = in_thread(other)
    wait_for(lambda: applied(stream) == [1, 2])
    assert time.monotonic() - begun < 1.0 + 1.5
    other.stop()
    thread.join(10)


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


def test_two_processes_share_the_shards_as_they_are_told(redis_client):
    streams = [make_stream(shard) for shard in range(wire.SHARD_COUNT)]
    for stream in streams:
        write(stream, 2)
        tell(redis_client, stream)
    both = [ConsumerLoop(consumer_of(Noting()), connection=redis_client, at_most=4) for _ in range(2)]
    for _ in range(4):
        for loop in both:
            loop._try_turn()
    assert [len(loop._compared) for loop in both] == [4, 4]
    assert all(applied(stream) == [1, 2] for stream in streams)


def test_a_slow_batch_keeps_its_lease(redis_client):
    handler = Noting()
    handler.fails = lambda event: bool(time.sleep(0.3))
    slow = ConsumerLoop(consumer_of(handler), connection=redis_client)
    rival = ConsumerLoop(consumer_of(Noting()), connection=redis_client)
    stream = make_stream()
    write(stream, 8)
    tell(redis_client, stream)
    thread = in_thread(slow)
    wait_for(lambda: len(applied(stream)) > 0)
    while thread.is_alive() and len(applied(stream)) < 8:
        rival._try_turn()
        assert not rival._compared
        time.sleep(0.1)
    slow.stop()
    thread.join(10)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_command_gracefully(redis_client, number):
    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}
    stream = make_stream()
    write(stream, 3)
    tell(redis_client, stream)
    loop = ConsumerLoop(consumer_of(Noting()), connection=redis_client)

    def send() -> None:
        wait_for(lambda: place(stream) == 3)
        connections.close_all()
        os.kill(os.getpid(), number)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        assert serve([loop])
    finally:
        sender.join()
        for each, handler in before.items():
            signal.signal(each, handler)
    assert applied(stream) == [1, 2, 3]
    assert ConsumerLoop(consumer_of(Noting()), connection=redis_client)._leases.hold() != set()


def test_the_command_says_what_it_can_run():
    with pytest.raises(CommandError, match=r"there are .*invoices"):
        call_command("consume")
    with pytest.raises(CommandError, match="no consumer 'invoice'"):
        call_command("consume", "invoice")
    with pytest.raises(CommandError, match="--shards is 1 to 8"):
        call_command("consume", "invoices", "--shards", "9")


@pytest.fixture
def letter(redis_client, settings, clock):
    settings.LONGHAUL = {**settings.LONGHAUL, "CONSUMER_TRIES": 1}
    handler = Noting()
    consumers.register(consumer_of(handler))
    handler.fails = lambda event: event.seq == 1
    stream = make_stream()
    write(stream, 2)
    tell(redis_client, stream)
    loop = ConsumerLoop(consumers.find(NAME), connection=redis_client, clock=clock)
    for _ in range(3):
        loop._try_turn()
    assert applied(stream) == [2]
    yield handler, DeadLetter.objects.get(), stream
    consumers.forget(NAME)


def test_a_dead_letter_is_applied_again_once_its_cause_is_mended(letter):
    handler, row, stream = letter
    with pytest.raises(ValueError, match="no line for 1"):
        apply_again(row)
    assert (applied(stream), DeadLetter.objects.count()) == ([2], 1)
    handler.fails = lambda event: False
    apply_again(row)
    assert (applied(stream), DeadLetter.objects.count()) == ([2, 1], 0)
    with pytest.raises(DeadLetter.DoesNotExist):
        apply_again(row)
    assert applied(stream) == [2, 1]


def test_a_dead_letter_outlives_the_log_it_came_from(letter):
    handler, row, _ = letter
    Stream.objects.all().delete()
    seen = []
    handler.fails = lambda event: seen.append(event.audience)
    apply_again(row)
    assert seen == ["operator"]


def test_an_erased_run_leaves_no_dead_letter_and_no_inbox(letter):
    _, _, stream = letter
    Inbox.objects.filter(stream=stream.key).update(error="ValueError: Anna's address")
    with transaction.atomic():
        forget_stream(stream.key)
    assert not DeadLetter.objects.exists()
    assert not Inbox.objects.filter(stream=stream.key).exists()


def test_the_log_pages_through_its_streams_by_key_and_by_what_is_recent():
    streams = sorted((make_stream(number % 3) for number in range(9)), key=lambda stream: stream.key)
    make_stream(0)  # with nothing in it
    for stream in streams:
        write(stream, 1)
    log, now = DatabaseLog(), CLOCK.now()

    def keys(**fields) -> list:
        given = {"shards": range(8), "since": None, "after": None, "limit": 100, **fields}
        return [head.stream for head in log.heads(**given)]

    assert keys() == [stream.key for stream in streams]
    assert keys(shards=[1]) == [stream.key for stream in streams if stream.shard == 1]
    assert keys(limit=4) + keys(limit=100, after=streams[3].key) == keys()
    assert keys(since=now - timedelta(minutes=1)) == keys()
    assert keys(since=now + timedelta(minutes=1)) == []


def publish(client: "redis.Redis", stream: Stream, *seqs: int, stubs: Collection[int] = ()) -> None:
    """Into the run's own stream, as the relay does."""
    key = wire.run_stream(stream.shard, stream.key, 1)
    for entry in Entry.objects.filter(stream=stream, seq__in=seqs).order_by("seq"):
        field = "stub" if entry.seq in stubs else "e"
        fields = {"aud": entry.audience, field: wire.encode(wire.envelope(entry))}
        client.xadd(key, fields, id=f"{entry.seq}-0")


def test_without_a_database_of_the_outbox_the_runs_own_stream_fills_gaps(redis_client, clock):
    handler = Noting()
    loop = ConsumerLoop(consumer_of(handler, log=RedisLog()), connection=redis_client, clock=clock)
    stream = make_stream()
    write(stream, 9)
    publish(redis_client, stream, 1, 2, 3, 4, 5)
    tell(redis_client, stream, 1, 5)
    for _ in range(3):
        loop._try_turn()
    assert applied(stream) == [1, 2, 3, 4, 5]

    tell(redis_client, stream, 9)  # 6, 7, 8 are nowhere: what is lost does not hold up what comes
    for _ in range(3):
        loop._try_turn()
    assert applied(stream) == [1, 2, 3, 4, 5, 9]


@pytest.mark.parametrize("stubs", [[2], [1, 2, 3, 4, 5]])
def test_tombstones_in_a_runs_own_stream_cost_no_event_after_them(redis_client, clock, monkeypatch, stubs):
    monkeypatch.setattr("outbox.consuming.reader.PAGE", 4)
    stream = make_stream()
    write(stream, 9)
    publish(redis_client, stream, *range(1, 10), stubs=stubs)
    tell(redis_client, stream, 9)
    turns(ConsumerLoop(consumer_of(Noting(), log=RedisLog()), connection=redis_client, clock=clock))
    assert applied(stream) == [seq for seq in range(1, 10) if seq not in stubs]


def test_a_failure_is_tried_again_from_the_runs_own_stream(redis_client, clock):
    handler = Noting()
    loop = ConsumerLoop(consumer_of(handler, log=RedisLog()), connection=redis_client, clock=clock)
    stream = make_stream()
    write(stream, 3)
    publish(redis_client, stream, 1, 2, 3)
    tell(redis_client, stream)
    handler.fails = lambda event: event.seq == 2 and handler.tries < 4
    for _ in range(3):
        loop._try_turn()
    assert applied(stream) == [1]
    for _ in range(3):
        clock.turn(seconds=10)
        time.sleep(0.06)
        loop._try_turn()
    assert applied(stream) == [1, 2, 3]
    assert Inbox.objects.get(consumer=NAME, stream=stream.key).retry_at is None
