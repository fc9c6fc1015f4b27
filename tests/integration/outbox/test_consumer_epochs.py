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
    loop = released(ConsumerLoop(consumer, connection=redis_client, clock=clock))
    turns(loop)
    write(stream, 3)  # 4, 5, 6 of the true history
    Stream.objects.update(dirty=True)
    drain(publisher, clock=clock)
    turns(loop, 10)
    stream.refresh_from_db()
    assert stream.epoch > 1
    in_true_epoch = Line.objects.filter(run=stream.key, seconds=stream.epoch)
    assert sorted(in_true_epoch.values_list("seq", flat=True)) == [4, 5, 6]
