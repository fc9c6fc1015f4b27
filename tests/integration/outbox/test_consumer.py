"""Effects happen once and in order, whatever Redis does. Each test says what the firehose brings."""

from contextlib import suppress

import pytest

from outbox import wire
from outbox.consuming import loop as loops
from outbox.consuming.loop import ConsumerLoop
from outbox.failpoints import InjectedFailure, acting
from outbox.models import Entry, Stream
from tests.integration.outbox.hosing import (
    NAME,
    Noting,
    applied,
    consumer_of,
    make_stream,
    pending,
    place,
    released,
    tell,
    tell_stub,
    turns,
    write,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def quick(settings, monkeypatch):
    """Turns do not wait for what does not come, and every turn does everything that can be due."""
    monkeypatch.setattr(loops, "POLL_SECONDS", 0.001)
    settings.LONGHAUL = {
        **settings.LONGHAUL,
        "CONSUMER_COMPARISON_SECONDS": 0.000_001,
        "CONSUMER_BATCH_SIZE": 10,
    }


@pytest.fixture
def handler() -> Noting:
    return Noting()


@pytest.fixture
def start(redis_client, clock, handler):
    """A new process: `start()` is a loop that was told nothing yet."""

    def begin(**fields) -> ConsumerLoop:
        return ConsumerLoop(consumer_of(handler, **fields), connection=redis_client, clock=clock)

    return begin


def raise_failure() -> None:
    raise InjectedFailure


def test_events_have_their_effect_once_in_order_and_are_acknowledged(start, redis_client):
    one, two = make_stream(0), make_stream(5)
    for stream in (one, two):
        write(stream, 12)
        tell(redis_client, stream)
    loop = start()
    turns(loop)
    assert applied(one) == applied(two) == list(range(1, 13))
    assert (pending(redis_client, 0), pending(redis_client, 5)) == (0, 0)
    assert (place(one), place(two)) == (12, 12)


def test_types_that_are_not_asked_for_move_the_inbox_alone(start, redis_client):
    mixed, idle = make_stream(), make_stream()
    write(mixed, 3)
    write(mixed, 1, type="step.completed")
    write(mixed, 2)
    write(idle, 4)
    tell(redis_client, mixed)
    tell(redis_client, idle)
    turns(start(types=frozenset({"step.completed"})))
    assert (applied(mixed), applied(idle)) == ([4], [])
    assert (place(mixed), place(idle), pending(redis_client)) == (6, 4, 0)


def test_a_hundred_idle_streams_of_one_batch_cost_a_handful_of_queries(
    start, redis_client, settings, django_assert_max_num_queries
):
    settings.LONGHAUL = {**settings.LONGHAUL, "CONSUMER_BATCH_SIZE": 200, "CONSUMER_COMPARISON_SECONDS": 60}
    loop = start(types=frozenset({"step.completed"}))
    turns(loop)
    streams = [make_stream() for _ in range(100)]
    for stream in streams:
        write(stream, 1)
        tell(redis_client, stream)
    with django_assert_max_num_queries(14):
        loop.turn()
    assert all(place(stream) == 1 for stream in streams)


def test_a_kill_between_commit_and_acknowledgement_costs_no_second_effect(start, redis_client):
    stream = make_stream()
    write(stream, 5)
    tell(redis_client, stream)
    with acting("outbox.consume.applied", raise_failure), suppress(InjectedFailure):
        turns(start())
    assert applied(stream) == [1]
    assert pending(redis_client) == 5
    turns(released(start()))
    assert applied(stream) == [1, 2, 3, 4, 5]
    assert pending(redis_client) == 0


@pytest.mark.parametrize("point", ["outbox.consume.read", "outbox.consume.handled", "outbox.consume.applied"])
def test_killed_at_any_point_again_and_again_it_still_comes_through_once(
    start, redis_client, point, settings, clock
):
    settings.LONGHAUL = {**settings.LONGHAUL, "CONSUMER_TRIES": 50}
    stream = make_stream()
    write(stream, 6)
    tell(redis_client, stream)
    for _ in range(3):
        with acting(point, raise_failure), suppress(InjectedFailure):
            turns(released(start()))
        clock.turn(seconds=120)
    turns(released(start()))
    assert applied(stream) == [1, 2, 3, 4, 5, 6]


def test_a_group_that_is_destroyed_in_the_middle_is_made_anew_from_the_beginning(start, redis_client):
    stream = make_stream()
    write(stream, 8)
    tell(redis_client, stream, 1, 2, 3)
    loop = start()
    turns(loop)
    redis_client.xgroup_destroy(wire.firehose(0), NAME)
    tell(redis_client, stream, 4, 5, 6, 7, 8)
    turns(loop)
    assert applied(stream) == list(range(1, 9))
    assert pending(redis_client) == 0


def test_a_flush_before_anything_was_read_loses_nothing(start, redis_client):
    stream = make_stream()
    write(stream, 4)
    loop = start()
    turns(loop)
    write(stream, 4)
    tell(redis_client, stream, 5, 6, 7, 8)
    redis_client.flushall()
    turns(loop)
    assert applied(stream) == list(range(1, 9))


def test_a_firehose_that_was_trimmed_past_the_group_is_filled_from_the_log(start, redis_client):
    with_more, silent = make_stream(), make_stream()
    loop = start()
    turns(loop)
    for stream in (with_more, silent):
        write(stream, 6)
        tell(redis_client, stream)
    redis_client.xtrim(wire.firehose(0), maxlen=0, approximate=False)
    write(with_more, 1)
    tell(redis_client, with_more, 7)
    turns(loop)
    assert applied(with_more) == list(range(1, 8))
    assert applied(silent) == list(range(1, 7))


def test_what_was_trimmed_under_a_consumer_that_died_is_filled_from_the_log(start, redis_client):
    stream = make_stream()
    write(stream, 5)
    tell(redis_client, stream)
    with acting("outbox.consume.read", raise_failure), suppress(InjectedFailure):
        turns(start())
    assert pending(redis_client) == 5
    redis_client.xtrim(wire.firehose(0), maxlen=0, approximate=False)
    turns(released(start()))
    assert applied(stream) == [1, 2, 3, 4, 5]
    assert pending(redis_client) == 0


def test_a_thousand_pending_entries_of_a_dead_consumer_are_taken_over(start, redis_client, settings):
    settings.LONGHAUL = {**settings.LONGHAUL, "CONSUMER_BATCH_SIZE": 100}
    streams = [make_stream() for _ in range(20)]
    for stream in streams:
        write(stream, 50)
        tell(redis_client, stream)
    turns(start(), 2)
    redis_client.xgroup_destroy(wire.firehose(0), NAME)
    redis_client.xgroup_create(wire.firehose(0), NAME, id="0")
    redis_client.xreadgroup(NAME, "of-an-older-release", {wire.firehose(0): ">"}, count=1_000)
    assert pending(redis_client) == 1_000
    turns(released(start()), 15)
    assert pending(redis_client) == 0
    assert all(applied(stream) == list(range(1, 51)) for stream in streams)


def test_redelivery_after_a_failover_has_no_effect(start, redis_client):
    stream = make_stream()
    write(stream, 9)
    ids = tell(redis_client, stream)
    loop = start()
    turns(loop)
    redis_client.xgroup_setid(wire.firehose(0), NAME, ids[2])
    turns(loop)
    assert applied(stream) == list(range(1, 10))
    assert pending(redis_client) == 0


def test_entries_that_come_twice_late_and_in_the_wrong_order_are_applied_once_in_theirs(start, redis_client):
    stream = make_stream()
    write(stream, 6)
    tell(redis_client, stream, 1, 2, 5, 3, 4, 2, 6, 6, 1)
    turns(start())
    assert applied(stream) == [1, 2, 3, 4, 5, 6]


def test_a_tombstone_sends_the_consumer_to_the_log(start, redis_client):
    stream = make_stream()
    write(stream, 4)
    tell(redis_client, stream, 1)
    tell_stub(redis_client, stream, 2)
    tell(redis_client, stream, 3, 4)
    turns(start())
    assert applied(stream) == [1, 2, 3, 4]


def test_an_entry_that_is_not_one_of_ours_is_skipped(start, redis_client):
    stream = make_stream()
    write(stream, 1)
    redis_client.xadd(wire.firehose(0), {"something": "else"})
    redis_client.xadd(
        wire.firehose(0), {"run": str(stream.key), "seq": 1, "epoch": 1, "aud": "public", "e": "{"}
    )
    tell(redis_client, stream)
    turns(start())
    assert (applied(stream), pending(redis_client)) == ([1], 0)


def test_a_stream_that_the_consumer_meets_late_begins_with_what_the_log_has(start, redis_client):
    stream = make_stream()
    write(stream, 6)
    Stream.objects.update(published=3)
    Stream.objects.update(pruned=3)
    Entry.objects.filter(seq__lte=3).delete()
    tell(redis_client, stream, 6)
    turns(start())
    assert applied(stream) == [4, 5, 6]


def test_a_consumer_that_starts_now_has_nothing_to_do_with_the_past(start, redis_client, clock):
    old, new = make_stream(), make_stream()
    write(old, 3)
    tell(redis_client, old)
    clock.turn(seconds=1)
    loop = start(start="now")
    turns(loop)
    assert (applied(old), place(old), pending(redis_client)) == ([], 3, 0)

    write_at(new, clock, 2)
    write_at(old, clock, 2)
    tell(redis_client, new, 2)  # its first one is lost
    turns(loop)  # and all of the old one's: they are found by the comparison
    turns(released(start(start="now")))
    assert (applied(new), applied(old)) == ([1, 2], [4, 5])


def write_at(stream: Stream, clock, count: int) -> None:
    write(stream, count)
    newest = Entry.objects.filter(stream=stream).order_by("-seq")[:count]
    Entry.objects.filter(pk__in=[entry.pk for entry in newest]).update(created_at=clock.now())


def test_without_redis_or_with_a_lost_firehose_a_new_process_finds_everything_in_the_log(start, redis_client):
    streams = [make_stream(shard % 8) for shard in range(30)]
    for stream in streams:
        write(stream, 3)
    turns(start(), 20)
    assert all(applied(stream) == [1, 2, 3] for stream in streams)


def test_after_a_stop_the_event_in_hand_is_finished_and_the_rest_is_left(start, redis_client, handler):
    one, two = make_stream(), make_stream()
    write(one, 3)
    write(two, 3)
    tell(redis_client, one)
    tell(redis_client, two)
    loop = start()

    def stop(event) -> bool:
        loop.stop()
        return False

    handler.fails = stop
    loop.run()
    assert sorted(applied(one) + applied(two)) == [1]
    assert pending(redis_client) == 6
    handler.fails = lambda event: False
    turns(start())  # the leases were given back
    assert (applied(one), applied(two), pending(redis_client)) == ([1, 2, 3], [1, 2, 3], 0)
