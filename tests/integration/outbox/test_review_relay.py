"""Defects of the relay that a review found. Each test says what should hold, and fails until it does."""

import threading
from collections.abc import Callable

import pytest
import redis
from django.db import OperationalError, ProgrammingError, connection, connections, transaction

from outbox import epochs, relay, wire
from outbox.append import append
from outbox.backlog import read_named
from outbox.epochs import notice_restore
from outbox.looping import RelayLoop
from outbox.models import Entry, KnownDatabase, Stream
from outbox.publisher import Answer, Batch, RedisPublisher
from outbox.relay import Claimed, drain, relay_pass
from tests.factories import NOW, make_stream, messages

pytestmark = pytest.mark.django_db(transaction=True)

needs_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite locks no rows")


@pytest.fixture
def publisher(redis_client) -> RedisPublisher:
    return RedisPublisher(redis_client)


def write(stream: Stream, count: int) -> None:
    with transaction.atomic():
        append(stream.key, messages(count), now=NOW)


def claim(stream: Stream, clock) -> list[Claimed]:
    return list(relay._encoded(read_named([stream.key]), clock=clock))


def refused(claimed: list[Claimed]) -> list[Answer]:
    return [redis.ResponseError("refused") for _ in claimed]


def stubs(redis_client, stream: Stream) -> list[int]:
    rows = redis_client.xrange(wire.run_stream(stream.shard, stream.key, stream.epoch))
    return [int(entry_id.partition(b"-")[0]) for entry_id, fields in rows if b"stub" in fields]


class Refusing(RedisPublisher):
    """Redis refuses whatever batch has entry `seq`, unless it comes as a tombstone."""

    def __init__(self, connection: "redis.Redis", *, seq: int) -> None:
        super().__init__(connection)
        self.seq = seq

    def publish(self, batches: "list[Batch]") -> list[Answer]:
        return [
            redis.ResponseError("refused")
            if batch.first <= self.seq <= batch.last and not batch.is_stub
            else super(Refusing, self).publish([batch])[0]
            for batch in batches
        ]


def test_two_relays_that_are_refused_at_once_bury_no_innocent_entry(redis_client, clock):
    stream = make_stream()
    write(stream, 6)
    Stream.objects.update(failures=4)
    both = [claim(stream, clock), claim(stream, clock)]
    for claimed in both:
        relay._settle(RedisPublisher(redis_client), claimed, refused(claimed), clock=clock)
    refusing = Refusing(redis_client, seq=5)
    for _ in range(12):
        clock.turn(seconds=60)
        drain(refusing, clock=clock)
    assert stubs(redis_client, stream) == [5]


def test_two_relays_that_find_the_entry_at_fault_at_once_still_end_with_its_tombstone(redis_client, clock):
    stream = make_stream()
    write(stream, 3)
    Stream.objects.update(failures=5)
    both = [claim(stream, clock), claim(stream, clock)]
    for claimed in both:
        relay._settle(RedisPublisher(redis_client), claimed, refused(claimed), clock=clock)
    refusing = Refusing(redis_client, seq=1)
    for _ in range(12):
        clock.turn(seconds=60)
        drain(refusing, clock=clock)
    assert stubs(redis_client, stream) == [1]


def test_a_late_refusal_says_nothing_of_the_entry_after_the_one_it_was_about(redis_client, clock):
    stream, publisher = make_stream(), RedisPublisher(redis_client)
    write(stream, 3)
    Stream.objects.update(failures=5)
    slow, quick = claim(stream, clock), claim(stream, clock)
    relay._settle(publisher, quick, publisher.publish([batch for _, batch in quick]), clock=clock)
    relay._settle(publisher, slow, refused(slow), clock=clock)
    clock.turn(seconds=60)
    drain(publisher, clock=clock)
    assert stubs(redis_client, stream) == []


def test_a_redis_that_takes_no_writes_ends_no_relay(redis_client):
    """A demoted primary, a full disk: what a pipeline survives, waiting for names must survive too."""
    stream = make_stream()
    loop, failed = RelayLoop(), []

    def run() -> None:
        try:
            loop.run(seconds=30)
        except Exception as error:
            failed.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    redis_client.config_set("min-replicas-to-write", "1")
    try:
        thread.start()
        thread.join(2.5)
    finally:
        redis_client.config_set("min-replicas-to-write", "0")
    write(stream, 1)
    thread.join(3)
    key = wire.run_stream(stream.shard, stream.key, 1)
    published = redis_client.xlen(key)
    loop.stop()
    thread.join(10)
    assert (failed, published) == ([], 1)


def test_a_strange_key_under_a_wake_lists_name_costs_the_wake_ups_of_its_shard_and_no_relay(redis_client):
    redis_client.set(wire.wake(0), "not a list")
    stream = make_stream(shard=1)
    write(stream, 1)
    RelayLoop().run(seconds=1.5)
    assert redis_client.xlen(wire.run_stream(1, stream.key, 1)) == 1


class EndsAsAnotherBegins(RelayLoop):
    """In the moment between the loop's decision to end and its end, `then` runs."""

    def __init__(self, then: Callable[[], None]) -> None:
        super().__init__()
        self.then: Callable[[], None] | None = then

    def _is_over(self) -> bool:
        is_over = super()._is_over()
        if is_over and self.then:
            then, self.then = self.then, None
            then()
        return is_over


def test_a_loop_that_ends_does_not_make_the_next_one_pass_for_ended(monkeypatch):
    begun, go_on = threading.Semaphore(0), threading.Event()

    class Turns:
        def __init__(self, *_: object, **__: object) -> None: ...

        def turn(self) -> None:
            begun.release()
            go_on.wait(10)

        def end(self) -> None: ...

    monkeypatch.setattr("outbox.looping._Turns", Turns)
    threads = []

    def begin_another() -> None:
        threads.append(threading.Thread(target=loop.run, kwargs={"seconds": 60}))
        threads[0].start()
        assert begun.acquire(timeout=10)

    loop = EndsAsAnotherBegins(begin_another)
    loop.run(seconds=0)
    third = threading.Thread(target=loop.run, kwargs={"seconds": 60})
    third.start()
    third.join(2)
    is_second_loop = third.is_alive()
    loop.stop()
    go_on.set()
    for thread in (third, *threads):
        thread.join(10)
    assert not is_second_loop


class Held:
    """A writer in the middle of its transaction, which holds the stream's row."""

    def __init__(self, stream: Stream) -> None:
        self._stream, self._written, self._go_on = stream, threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._hold)

    def _hold(self) -> None:
        with transaction.atomic():
            append(self._stream.key, messages(1), now=NOW)
            self._written.set()
            self._go_on.wait(30)
        connections.close_all()

    def __enter__(self) -> None:
        self._thread.start()
        self._written.wait(10)

    def __exit__(self, *_: object) -> None:
        self._go_on.set()
        self._thread.join()


@needs_postgresql
def test_a_long_stream_whose_row_is_locked_does_not_spin_the_relay(publisher, redis_client, clock, settings):
    settings.LONGHAUL = {**settings.LONGHAUL, "RELAY_BATCH_SIZE": 3}
    stream = make_stream()
    write(stream, 7)
    with Held(stream):
        relay_pass(publisher, clock=clock)
        again = relay_pass(publisher, clock=clock)  # tells Redis the same three once more
        assert not again.more


@needs_postgresql
def test_a_refused_stream_whose_row_is_locked_holds_up_nobody(publisher, redis_client, clock):
    refused, healthy = make_stream(), make_stream()
    redis_client.set(wire.run_stream(refused.shard, refused.key, 1), "not a stream")
    write(refused, 1)
    write(healthy, 1)
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '300ms'")  # ten seconds as delivered
    with Held(refused):
        try:
            relay_pass(publisher, clock=clock)
        except OperationalError:
            pass
        finally:
            with connection.cursor() as cursor:
                cursor.execute("RESET lock_timeout")
        healthy.refresh_from_db()
        assert (healthy.published, healthy.dirty) == (1, False)


def test_a_log_with_a_hole_is_one_streams_trouble(publisher, redis_client, clock):
    stream = make_stream()
    write(stream, 5)
    Entry.objects.filter(stream=stream, seq=1).delete()
    for _ in range(20):
        passed = relay_pass(publisher, clock=clock)
        if not passed.more:
            break
    assert not passed.more


def test_a_hole_in_the_log_never_makes_redis_tell_an_event_under_another_number(
    publisher, redis_client, clock
):
    stream = make_stream()
    write(stream, 5)
    Entry.objects.filter(stream=stream, seq=3).delete()
    for _ in range(3):
        relay_pass(publisher, clock=clock)
    rows = redis_client.xrange(wire.run_stream(stream.shard, stream.key, 1))
    assert all(b'"seq":%d,' % int(entry_id.partition(b"-")[0]) in fields[b"e"] for entry_id, fields in rows)


@needs_postgresql
def test_a_restore_is_dealt_with_in_time_though_redis_is_frozen(clock, monkeypatch):
    for _ in range(5):
        write(make_stream(), 1)
    notice_restore(clock=clock)
    KnownDatabase.objects.update(identity="7/00000001")
    calls = []

    class Frozen:
        def unlink(self, name: str) -> None:
            calls.append(name)  # each costs a socket time-out of five seconds
            raise redis.TimeoutError

    monkeypatch.setattr(epochs, "client", Frozen)
    assert notice_restore(clock=clock) == 5
    assert len(calls) == 1


def test_a_commit_that_appends_often_wakes_the_relay_once(redis_client):
    stream = make_stream(shard=0)
    with transaction.atomic():
        for _ in range(3):
            append(stream.key, messages(1), now=NOW)
    assert redis_client.llen(wire.wake(0)) == 1


def test_a_relay_that_may_not_ask_for_the_databases_identity_publishes_all_the_same(
    redis_client, monkeypatch
):
    """Some hosts revoke pg_control_system(); a pooler may put a standby behind us for a moment."""

    def refuse() -> str:
        raise ProgrammingError("permission denied for function pg_control_system")

    monkeypatch.setattr(epochs, "_identity", refuse)
    stream = make_stream()
    write(stream, 1)
    RelayLoop().run(seconds=2)
    assert redis_client.xlen(wire.run_stream(stream.shard, stream.key, 1)) == 1
