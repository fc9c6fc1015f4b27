import threading
import time
from collections.abc import Sequence

import pytest
import redis
from django.db import connection, connections, transaction
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from outbox import looping, nudge, relay, wire
from outbox.append import Message, append
from outbox.backlog import Waiting, read_named
from outbox.clock import CLOCK
from outbox.looping import RelayLoop
from outbox.models import Stream
from outbox.publisher import Answer, Appended, Batch, Gap, RedisPublisher
from outbox.relay import drain, relay_pass
from tests.factories import NOW, make_stream, messages

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def publisher(redis_client) -> RedisPublisher:
    return RedisPublisher(redis_client)


def write(stream: Stream, count: int, *, closes: bool = False) -> None:
    with transaction.atomic():
        append(stream.key, messages(count), now=NOW, closes=closes)


def ids(client: "redis.Redis", stream: Stream) -> list[bytes]:
    return [
        entry_id for entry_id, _ in client.xrange(wire.run_stream(stream.shard, stream.key, stream.epoch))
    ]


def test_what_is_committed_reaches_the_run_stream_under_its_own_numbers(publisher, redis_client, clock):
    stream = make_stream()
    write(stream, 3)

    assert drain(publisher, clock=clock) == 3

    assert ids(redis_client, stream) == [b"1-0", b"2-0", b"3-0"]
    stream.refresh_from_db()
    assert (stream.published, stream.dirty) == (3, False)


def test_run_stream_and_firehose_carry_the_same_bytes_as_the_log(publisher, redis_client, clock):
    stream = make_stream()
    write(stream, 1)
    drain(publisher, clock=clock)

    ((_, in_run),) = redis_client.xrange(wire.run_stream(stream.shard, stream.key, stream.epoch))
    ((_, in_firehose),) = redis_client.xrange(wire.firehose(stream.shard))

    expected = wire.encode(wire.envelope(stream.entries.get()))
    assert in_run[b"e"] == in_firehose[b"e"] == expected
    assert (in_firehose[b"run"], in_firehose[b"seq"]) == (str(stream.key).encode(), b"1")


def test_a_relay_that_died_before_it_moved_the_cursor_costs_no_double(publisher, redis_client, clock):
    stream = make_stream()
    write(stream, 2)
    drain(publisher, clock=clock)
    Stream.objects.update(published=0, dirty=True)
    write(stream, 1)

    drain(publisher, clock=clock)

    assert ids(redis_client, stream) == [b"1-0", b"2-0", b"3-0"]
    assert redis_client.xlen(wire.firehose(stream.shard)) == 3


def test_a_stream_that_lost_its_tail_is_rewound_and_filled_from_the_log(publisher, redis_client, clock):
    stream = make_stream()
    write(stream, 4)
    drain(publisher, clock=clock)
    key = wire.run_stream(stream.shard, stream.key, stream.epoch)
    kept = redis_client.xrange(key, max="2-0")
    redis_client.delete(key)
    for entry_id, fields in kept:
        redis_client.xadd(key, fields, id=entry_id)
    write(stream, 1)

    drain(publisher, clock=clock)

    assert ids(redis_client, stream) == [b"1-0", b"2-0", b"3-0", b"4-0", b"5-0"]


def test_after_a_flush_the_stream_goes_on_from_the_cursor_and_seeds_nothing_again(
    publisher, redis_client, clock
):
    stream = make_stream()
    write(stream, 4)
    drain(publisher, clock=clock)
    redis_client.flushall()
    write(stream, 2)

    drain(publisher, clock=clock)

    assert ids(redis_client, stream) == [b"5-0", b"6-0"]


def test_a_gap_is_refused_and_not_swallowed(publisher, redis_client):
    stream = make_stream()
    batch = {"key": stream.key, "shard": stream.shard, "epoch": 1, "closes": False}
    assert publisher.publish([Batch(base=0, first=1, entries=[("public", b"{}")], **batch)]) == [Appended(1)]
    assert publisher.publish([Batch(base=0, first=3, entries=[("public", b"{}")], **batch)]) == [Gap(1)]
    assert ids(redis_client, stream) == [b"1-0"]


def test_a_backlog_is_published_in_batches_until_nothing_is_left(publisher, redis_client, clock, settings):
    settings.LONGHAUL = {**settings.LONGHAUL, "RELAY_BATCH_SIZE": 3, "RELAY_STREAMS_PER_PASS": 2}
    streams = [make_stream() for _ in range(5)]
    for stream in streams:
        write(stream, 7)

    assert drain(publisher, clock=clock) == 35

    assert all(len(ids(redis_client, stream)) == 7 for stream in streams)
    assert not Stream.objects.filter(dirty=True).exists()


def test_a_run_stream_expires_only_after_its_terminal_event(publisher, redis_client, clock):
    stream = make_stream()
    key = wire.run_stream(stream.shard, stream.key, stream.epoch)
    write(stream, 1)
    drain(publisher, clock=clock)
    assert redis_client.ttl(key) > 80_000

    write(stream, 1, closes=True)
    drain(publisher, clock=clock)
    assert 0 < redis_client.ttl(key) <= 900

    write(stream, 1)  # the run was resumed
    drain(publisher, clock=clock)
    assert redis_client.ttl(key) > 80_000


def test_a_terminal_event_that_comes_between_two_reads_still_lets_the_stream_expire(
    publisher, redis_client, clock, monkeypatch
):
    stream = make_stream()
    write(stream, 1)
    read, ended = relay._batch, []

    def end_the_run_first(waiting: Waiting) -> Batch:
        if not ended:
            ended.append(write(stream, 1, closes=True))
        return read(waiting)

    monkeypatch.setattr(relay, "_batch", end_the_run_first)
    drain(publisher, clock=clock)
    drain(publisher, clock=clock)  # its commit left a wake-up
    assert redis_client.ttl(wire.run_stream(stream.shard, stream.key, stream.epoch)) > 0


def test_a_late_copy_of_an_older_batch_does_not_keep_a_finished_stream_for_ever(
    publisher, redis_client, clock
):
    stream = make_stream()
    write(stream, 1)
    late = relay._batch(*read_named([stream.key]))
    write(stream, 1, closes=True)
    drain(publisher, clock=clock)
    publisher.publish([late])
    assert redis_client.ttl(wire.run_stream(stream.shard, stream.key, stream.epoch)) > 0


def test_a_fresh_commit_does_not_wait_behind_the_backlog_of_others(redis_client, settings):
    settings.LONGHAUL = {**settings.LONGHAUL, "RELAY_BATCH_SIZE": 2, "RELAY_STREAMS_PER_PASS": 2}
    backlog = [make_stream() for _ in range(6)]
    for stream in backlog:
        write(stream, 20)
    redis_client.flushall()  # an outage: nobody heard of them
    turns = looping._Turns(threading.Event(), clock=CLOCK)
    turns.turn()
    live = make_stream()
    write(live, 1)
    turns.turn()
    assert ids(redis_client, live) == [b"1-0"]
    assert Stream.objects.filter(dirty=True).count() == len(backlog)
    turns.end()


def test_a_redis_that_takes_nothing_is_away_and_no_stream_backs_off_alone(publisher, redis_client, clock):
    stream = make_stream()
    write(stream, 1)
    redis_client.config_set("maxmemory", "1")
    try:
        with pytest.raises(redis.ConnectionError, match="takes nothing"):
            drain(publisher, clock=clock)
    finally:
        redis_client.config_set("maxmemory", "0")
    stream.refresh_from_db()
    assert (stream.failures, stream.retry_at) == (0, None)
    assert drain(publisher, clock=clock) == 1


def test_a_relay_that_lingers_publishes_what_is_committed_and_ends_when_it_is_told(publisher, redis_client):
    stream, loop = make_stream(), RelayLoop()
    lingering = threading.Thread(target=lambda: (loop.run(seconds=30), connections.close_all()))
    lingering.start()
    write(stream, 1)
    deadline = time.monotonic() + 10
    while not ids(redis_client, stream) and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    assert ids(redis_client, stream) == [b"1-0"]

    loop.stop()
    lingering.join(timeout=5)
    assert not lingering.is_alive()


def test_one_stream_that_redis_refuses_backs_off_alone(publisher, redis_client, clock):
    poisoned, healthy = make_stream(), make_stream()
    redis_client.set(wire.run_stream(poisoned.shard, poisoned.key, poisoned.epoch), "not a stream")
    write(poisoned, 1)
    write(healthy, 1)

    drain(publisher, clock=clock)
    drain(publisher, clock=clock)

    assert ids(redis_client, healthy) == [b"1-0"]
    poisoned.refresh_from_db()
    assert (poisoned.published, poisoned.dirty, poisoned.failures) == (0, True, 1)

    redis_client.delete(wire.run_stream(poisoned.shard, poisoned.key, poisoned.epoch))
    clock.turn(seconds=2)
    drain(publisher, clock=clock)
    assert ids(redis_client, poisoned) == [b"1-0"]


def test_with_redis_away_entries_wait_and_nothing_is_marked(clock):
    stream = make_stream()
    write(stream, 2)
    with pytest.raises(redis.ConnectionError):
        relay_pass(Unreachable(), clock=clock)
    stream.refresh_from_db()
    assert (stream.published, stream.dirty, stream.failures) == (0, True, 0)


class Unreachable:
    def publish(self, batches: Sequence[Batch]) -> list[Answer]:
        raise redis.ConnectionError("nobody there")

    def forget(self, batch: Batch) -> None:
        raise AssertionError("nothing was published")


def test_commits_name_their_streams_the_newest_first_and_leave_a_bounded_list(redis_client, monkeypatch):
    monkeypatch.setattr(nudge, "NAMES_MAX", 3)
    streams = [make_stream(shard=0) for _ in range(5)]
    for stream in streams:
        write(stream, 1)
    names = redis_client.lrange(wire.wake(0), 0, -1)
    assert names == [str(stream.key).encode() for stream in reversed(streams[2:])]


def test_an_entry_that_redis_refuses_ends_as_a_tombstone_there_and_not_in_the_log(
    redis_client, clock, caplog
):
    stream, healthy = make_stream(), make_stream()
    write(stream, 6)
    write(healthy, 1)
    refusing = Refusing(redis_client, seq=4, of=stream)

    for _ in range(12):
        drain(refusing, clock=clock)
        clock.turn(seconds=60)

    key = wire.run_stream(stream.shard, stream.key, stream.epoch)
    rows = {int(id_.partition(b"-")[0]): fields for id_, fields in redis_client.xrange(key)}
    assert sorted(rows) == [1, 2, 3, 4, 5, 6]
    assert [seq for seq, fields in rows.items() if b"stub" in fields] == [4]
    assert b"payload" not in rows[4][b"stub"]
    assert stream.entries.get(seq=4).payload["text"] == "3"
    assert "replaced by a tombstone" in caplog.text
    assert ids(redis_client, healthy) == [b"1-0"]
    stream.refresh_from_db()
    assert (stream.published, stream.dirty, stream.failures) == (6, False, 0)


class Refusing(RedisPublisher):
    """Redis refuses whatever batch has this entry, unless it comes as a tombstone."""

    def __init__(self, connection: "redis.Redis", *, seq: int, of: Stream) -> None:
        super().__init__(connection)
        self.seq, self.key = seq, of.key

    def publish(self, batches: Sequence[Batch]) -> list[Answer]:
        return [self._answer(batch) for batch in batches]

    def _answer(self, batch: Batch) -> Answer:
        is_in = batch.key == self.key and batch.first <= self.seq <= batch.last
        if is_in and not batch.is_stub:
            return redis.ResponseError("refused")
        return super().publish([batch])[0]


def test_a_stream_that_is_refused_whole_gets_no_tombstones_when_it_heals(publisher, redis_client, clock):
    stream = make_stream()
    key = wire.run_stream(stream.shard, stream.key, 1)
    redis_client.set(key, "not a stream")
    write(stream, 3)
    for _ in range(9):
        drain(publisher, clock=clock)
        clock.turn(seconds=60)
    redis_client.delete(key)
    clock.turn(seconds=60)

    drain(publisher, clock=clock)

    assert [set(fields) for _, fields in redis_client.xrange(key)] == [{b"aud", b"e"}] * 3


def test_a_rewind_to_before_what_the_log_still_has_begins_the_stream_anew(publisher, redis_client, clock):
    stream = make_stream()
    write(stream, 6)
    drain(publisher, clock=clock)
    key = wire.run_stream(stream.shard, stream.key, 1)
    kept = redis_client.xrange(key, max="2-0")
    redis_client.delete(key)
    for entry_id, fields in kept:
        redis_client.xadd(key, fields, id=entry_id)
    stream.entries.filter(seq__lte=4).delete()
    Stream.objects.update(pruned=4)
    write(stream, 1)

    drain(publisher, clock=clock)

    assert ids(redis_client, stream) == [b"5-0", b"6-0", b"7-0"]


def test_a_writer_in_the_middle_of_its_transaction_holds_up_nobody_elses_cursor(publisher, clock):
    if not connection.features.has_select_for_update_skip_locked:
        pytest.skip("SQLite has one writer at a time")
    busy, free = make_stream(), make_stream()
    write(busy, 1)
    write(free, 1)
    written, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            append(busy.key, messages(1), now=NOW)
            written.set()
            go_on.wait(30)
        connections.close_all()

    writer = threading.Thread(target=hold)
    writer.start()
    written.wait(10)
    try:
        relay_pass(publisher, clock=clock)
        free.refresh_from_db()
        assert (free.published, free.dirty) == (1, False)
    finally:
        go_on.set()
        writer.join()
    assert drain(publisher, clock=clock)
    busy.refresh_from_db()
    assert (busy.published, busy.dirty) == (2, False)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abé", max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.text("xyz", min_size=1, max_size=3), JSON, max_size=4))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example({"large": 1e20, "whole": 100.0})
def test_redis_has_the_bytes_that_every_other_transport_makes_of_the_row(redis_client, clock, payload):
    stream = make_stream()
    with transaction.atomic():
        append(stream.key, [Message(type="message", payload=payload)], now=NOW)
    drain(RedisPublisher(redis_client), clock=clock)
    ((_, fields),) = redis_client.xrange(wire.run_stream(stream.shard, stream.key, 1))
    assert fields[b"e"] == wire.encode(wire.envelope(stream.entries.get()))
