"""The log was restored to an earlier point: here the consumer's own rows, as on another database, were not."""

import pytest

from outbox.consuming import loop as loops
from outbox.consuming.loop import ConsumerLoop
from outbox.models import Entry, Inbox, Stream
from outbox.publisher import RedisPublisher
from outbox.relay import drain
from tests.integration.outbox.hosing import (
    Noting,
    applied,
    consumer_of,
    make_stream,
    pending,
    place,
    released,
    tell,
    turns,
    write,
)
from tests.invoicing.models import Line

pytestmark = pytest.mark.django_db(transaction=True)

LATER = 1_780_000_000


@pytest.fixture(autouse=True)
def quick(settings, monkeypatch):
    monkeypatch.setattr(loops, "POLL_SECONDS", 0.001)
    settings.LONGHAUL = {**settings.LONGHAUL, "CONSUMER_COMPARISON_SECONDS": 60}


@pytest.fixture
def told() -> list:
    return []


@pytest.fixture
def loop(redis_client, clock, told) -> ConsumerLoop:
    consumer = consumer_of(Noting(), on_restored=told.append)
    loop = ConsumerLoop(consumer, connection=redis_client, clock=clock)
    turns(loop)
    return loop


def restore(stream: Stream, head: int, epoch: int = LATER) -> None:
    Entry.objects.filter(stream=stream, seq__gt=head).delete()
    Stream.objects.filter(key=stream.key).update(head=head, epoch=epoch, published=0)


def test_an_inbox_ahead_of_the_restored_log_goes_back_to_its_head_and_the_consumer_is_told(
    loop, redis_client, told
):
    stream = make_stream()
    write(stream, 5)
    tell(redis_client, stream)
    turns(loop)
    restore(stream, 3)
    tell(redis_client, stream, 3)
    turns(loop)
    assert applied(stream) == [1, 2, 3, 4, 5]
    ((stream_told, epoch, was, head),) = [(r.stream, r.epoch, r.applied, r.head) for r in told]
    assert (stream_told, epoch, was, head) == (stream.key, LATER, 5, 3)

    write(stream, 2)
    tell(redis_client, stream, 4, 5)
    turns(loop)
    assert applied(stream) == [1, 2, 3, 4, 5, 4, 5]
    assert Inbox.objects.get(stream=stream.key).epoch == LATER
    assert len(told) == 1


def test_an_inbox_behind_the_restored_log_goes_on_where_it_was(loop, redis_client, told):
    stream = make_stream()
    write(stream, 5)
    tell(redis_client, stream, 1, 2)
    turns(loop)
    restore(stream, 4)
    tell(redis_client, stream, 4)
    turns(loop)
    assert applied(stream) == [1, 2, 3, 4]
    assert [(r.applied, r.head) for r in told] == [(2, 4)]


def test_what_comes_late_of_the_epoch_before_is_dropped(loop, redis_client):
    stream = make_stream()
    write(stream, 5)
    tell(redis_client, stream, 1, 2, 3)
    turns(loop)
    old = Entry.objects.get(stream=stream, seq=4)
    restore(stream, 3)
    tell(redis_client, stream, 3)
    turns(loop)
    old.save(force_insert=True)
    tell(redis_client, stream, 4, epoch=1)
    old.delete()
    turns(loop)
    assert applied(stream) == [1, 2, 3]


def test_a_new_epoch_of_which_nothing_comes_is_noticed_by_the_comparison(loop, redis_client, told):
    stream = make_stream()
    write(stream, 5)
    tell(redis_client, stream)
    turns(loop)
    restore(stream, 2)
    loop._compared = dict.fromkeys(loop._compared)
    turns(loop)
    assert (place(stream), len(told)) == (2, 1)


def test_a_stream_that_is_first_met_in_a_later_epoch_is_told_to_nobody(loop, redis_client, told):
    stream = make_stream()
    write(stream, 2)
    restore(stream, 2)
    tell(redis_client, stream, 2)
    turns(loop)
    assert (applied(stream), told) == ([1, 2], [])


def test_a_hook_that_fails_is_tried_again_and_given_up_in_the_end(redis_client, clock, settings, told):
    settings.LONGHAUL = {**settings.LONGHAUL, "CONSUMER_TRIES": 3}

    def refuse(restored) -> None:
        told.append(restored)
        raise ValueError("not now")

    loop = ConsumerLoop(consumer_of(Noting(), on_restored=refuse), connection=redis_client, clock=clock)
    stream = make_stream()
    write(stream, 3)
    tell(redis_client, stream)
    turns(loop)
    restore(stream, 1)
    tell(redis_client, stream, 1)
    turns(loop)
    assert (len(told), place(stream)) == (1, 3)
    for _ in range(5):
        clock.turn(seconds=60)
        turns(loop)
    assert (len(told), place(stream)) == (3, 1)


def publish(stream: Stream, publisher: RedisPublisher, clock) -> None:
    Stream.objects.filter(key=stream.key).update(dirty=True)
    drain(publisher, clock=clock)


@pytest.mark.parametrize("is_late", [False, True])
def test_after_a_restore_what_redis_still_has_of_the_lost_history_costs_no_event_of_the_true_one(
    redis_client, clock, is_late
):
    """All on one database. is_late: what was lost is read when its numbers are taken by others already."""
    stream, publisher = make_stream(), RedisPublisher(redis_client)
    consumer = consumer_of(Noting())
    write(stream, 3)
    publish(stream, publisher, clock)
    turns(ConsumerLoop(consumer, connection=redis_client, clock=clock))
    write(stream, 2)
    publish(stream, publisher, clock)  # 4 and 5 are on the firehose, nobody has read them
    restore(stream, 3, epoch=1)  # the backup has 3 events, and 3 lines
    Stream.objects.update(published=3)
    loop = released(ConsumerLoop(consumer, connection=redis_client, clock=clock))
    if not is_late:
        turns(loop)
    write(stream, 3, type="true")  # 4, 5, 6
    turns(loop)
    publish(stream, publisher, clock)
    turns(loop)
    stream.refresh_from_db()
    assert stream.epoch > 1
    assert applied(stream) == [1, 2, 3, 4, 5, 6]
    assert list(Line.objects.order_by("seq").values_list("step", flat=True)) == 3 * ["message"] + 3 * ["true"]
    assert Inbox.objects.get(stream=stream.key).epoch == stream.epoch


@pytest.mark.parametrize("types", [None, frozenset({"true"})])
def test_true_events_whose_numbers_were_applied_before_the_restore_have_their_effect(
    redis_client, clock, told, types, monkeypatch
):
    """On another database: nobody noticed the restore before 4 and 5 had been given out again."""
    monkeypatch.setattr("outbox.consuming.reader.PAGE", 2)
    stream, publisher = make_stream(), RedisPublisher(redis_client)
    consumer = consumer_of(Noting(), types=types, on_restored=told.append)
    loop = ConsumerLoop(consumer, connection=redis_client, clock=clock)
    write(stream, 8)
    publish(stream, publisher, clock)
    turns(loop)
    restore(stream, 3, epoch=1)
    Stream.objects.update(published=3)
    write(stream, 6, type="true")
    publish(stream, publisher, clock)
    turns(loop)
    before = [] if types else list(range(1, 9))
    assert applied(stream) == [*before, 4, 5, 6, 7, 8, 9]
    assert [(restored.applied, restored.head) for restored in told] == [(8, 3)]


def test_an_event_of_a_run_that_the_log_does_not_have_is_dropped(loop, redis_client):
    stream = make_stream()
    write(stream, 2)
    tell(redis_client, stream)
    Stream.objects.all().delete()
    turns(loop)
    assert (applied(stream), pending(redis_client)) == ([], 0)
    assert not Inbox.objects.filter(stream=stream.key).exists()


def test_what_retention_removed_before_it_was_read_is_applied_if_redis_has_it(loop, redis_client):
    stream = make_stream()
    write(stream, 4)
    tell(redis_client, stream)
    Entry.objects.filter(seq__lte=3).delete()
    Stream.objects.update(published=4, pruned=3)
    turns(loop)
    assert applied(stream) == [1, 2, 3, 4]
