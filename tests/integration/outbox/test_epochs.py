"""The database was restored to an earlier point: what Redis and clients have never happened."""

import pytest
from django.db import connection, transaction

from outbox import epochs, relay, wire
from outbox.append import append
from outbox.backlog import read_named
from outbox.models import Entry, KnownDatabase, Stream
from outbox.publisher import RedisPublisher
from outbox.redis import client
from outbox.relay import drain
from tests.factories import NOW, make_stream, messages

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def publisher(redis_client) -> RedisPublisher:
    client.cache_clear()
    return RedisPublisher(redis_client)


def write(stream: Stream, count: int, *, closes: bool = False) -> None:
    with transaction.atomic():
        append(stream.key, messages(count), now=NOW, closes=closes)


def restore(stream: Stream, *, head: int) -> None:
    """As a backup of that moment has it: published to its head, and nobody knows of more."""
    Entry.objects.filter(stream=stream, seq__gt=head).delete()
    Stream.objects.filter(key=stream.key).update(head=head, published=head, dirty=False)


def in_redis(redis_client, stream: Stream) -> list[tuple[int, bytes]]:
    stream.refresh_from_db()
    rows = redis_client.xrange(wire.run_stream(stream.shard, stream.key, stream.epoch))
    return [(int(id_.partition(b"-")[0]), fields[b"e"]) for id_, fields in rows]


def former(stream: Stream) -> str:
    return wire.run_stream(stream.shard, stream.key, 1)


def in_log(stream: Stream, *, above: int) -> list[tuple[int, bytes]]:
    entries = stream.entries.filter(seq__gt=above).order_by("seq")
    return [(entry.seq, wire.encode(wire.envelope(entry))) for entry in entries]


def test_another_event_under_a_known_number_starts_a_new_epoch_and_never_counts_as_published(
    publisher, redis_client, clock
):
    stream = make_stream()
    write(stream, 10)
    drain(publisher, clock=clock)
    restore(stream, head=6)
    write(stream, 2)  # other events 7 and 8 than Redis has

    drain(publisher, clock=clock)

    stream.refresh_from_db()
    assert stream.epoch == int(NOW.timestamp())
    assert (stream.published, stream.dirty) == (8, False)
    assert in_redis(redis_client, stream) == in_log(stream, above=7)
    assert [fields for _, fields in redis_client.xrange(former(stream))] == [{b"end": b"1"}]
    assert redis_client.ttl(former(stream)) > 0


def test_new_events_beyond_what_redis_has_are_told_apart_too(publisher, redis_client, clock):
    stream = make_stream()
    write(stream, 10)
    drain(publisher, clock=clock)
    restore(stream, head=6)
    write(stream, 20)

    drain(publisher, clock=clock)

    assert in_redis(redis_client, stream) == in_log(stream, above=25)


def test_a_reader_that_is_ahead_makes_the_relay_look_and_everybody_hears_of_the_new_epoch(
    publisher, redis_client, clock
):
    stream = make_stream()
    write(stream, 10, closes=True)
    drain(publisher, clock=clock)
    restore(stream, head=6)

    epochs.suspect(stream.key)
    drain(publisher, clock=clock)

    stream.refresh_from_db()
    assert stream.epoch > 1
    (_, last), *_ = redis_client.xrevrange(wire.firehose(stream.shard), count=1)
    assert (int(last[b"epoch"]), int(last[b"seq"])) == (stream.epoch, 6)


def test_the_number_that_a_stranger_sends_moves_no_epoch(publisher, redis_client, clock):
    stream = make_stream()
    write(stream, 3)
    drain(publisher, clock=clock)

    epochs.suspect(stream.key)
    drain(publisher, clock=clock)

    stream.refresh_from_db()
    assert (stream.epoch, stream.published, stream.dirty) == (1, 3, False)


def test_two_that_notice_move_the_epoch_once(clock):
    stream = make_stream()
    write(stream, 3)
    assert epochs.start_new_epoch(stream.key, seen=1, clock=clock)
    assert not epochs.start_new_epoch(stream.key, seen=1, clock=clock)


def test_an_epoch_is_not_given_out_again_when_the_database_is_restored_to_before_it(clock):
    stream = make_stream()
    write(stream, 3)
    epochs.start_new_epoch(stream.key, seen=1, clock=clock)
    first = Stream.objects.get().epoch
    Stream.objects.update(epoch=1)
    clock.turn(seconds=60)
    epochs.start_new_epoch(stream.key, seen=1, clock=clock)
    assert Stream.objects.get().epoch == first + 60


def test_a_relay_that_read_before_the_restore_moves_no_cursor_of_the_new_epoch(publisher, clock, monkeypatch):
    stream = make_stream()
    write(stream, 5)
    publish = publisher.publish

    def restore_first(batches):
        epochs.start_new_epoch(stream.key, seen=1, clock=clock)
        monkeypatch.setattr(publisher, "publish", publish)
        return publish(batches)

    monkeypatch.setattr(publisher, "publish", restore_first)
    drain(publisher, clock=clock)
    drain(publisher, clock=clock)

    stream.refresh_from_db()
    assert (stream.published, stream.dirty) == (5, False)
    assert [seq for seq, _ in in_redis(client(), stream)] == [5]


def test_a_relay_that_comes_late_with_lost_events_finds_no_stream_that_takes_them(
    publisher, redis_client, clock
):
    stream = make_stream()
    write(stream, 10)
    late = list(relay._encoded(read_named([stream.key]), clock=clock))
    restore(stream, head=6)
    epochs.start_new_epoch(stream.key, seen=1, clock=clock)
    drain(publisher, clock=clock)
    told = redis_client.xlen(wire.firehose(stream.shard))

    answers = publisher.publish([batch for _, batch in late])
    relay._settle(publisher, late, answers, clock=clock)

    assert [fields for _, fields in redis_client.xrange(former(stream))] == [{b"end": b"1"}]
    assert redis_client.xlen(wire.firehose(stream.shard)) == told
    epoch = Stream.objects.get().epoch
    drain(publisher, clock=clock)
    assert (Stream.objects.get().epoch, Stream.objects.get().published) == (epoch, 6)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite's files have no identity")
def test_another_database_starts_every_stream_anew_that_somebody_may_have_read(publisher, clock):
    live, recent, old = make_stream(), make_stream(), make_stream()
    for stream in (old, recent):
        write(stream, 2, closes=True)
    write(live, 2)
    for entry in Entry.objects.filter(stream=old):
        Entry.objects.filter(pk=entry.pk).update(id=wire.id_before(entry.pk, seconds=3_600 + 10 * entry.seq))
    drain(publisher, clock=clock)
    assert epochs.notice_restore(clock=clock) == 0
    KnownDatabase.objects.update(identity="7/00000001")

    assert epochs.notice_restore(clock=clock) == 2
    assert epochs.notice_restore(clock=clock) == 0

    assert set(Stream.objects.filter(epoch__gt=1).values_list("key", flat=True)) == {live.key, recent.key}
