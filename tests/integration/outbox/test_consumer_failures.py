"""A handler that fails: its stream waits alone, and what never works ends as a dead letter."""

import time
from contextlib import suppress
from datetime import timedelta

import pytest
from django.db import OperationalError

from outbox.consuming import loop as loops
from outbox.consuming.loop import RETRIES, ConsumerLoop
from outbox.models import DeadLetter, Entry, Inbox, Stream
from tests.integration.outbox.hosing import (
    NAME,
    Noting,
    applied,
    consumer_of,
    make_stream,
    pending,
    released,
    tell,
    turns,
    write,
)

pytestmark = pytest.mark.django_db(transaction=True)


class Killed(BaseException):
    pass


@pytest.fixture(autouse=True)
def quick(settings, monkeypatch):
    """Turns do not wait for what does not come, and every turn does everything that can be due."""
    monkeypatch.setattr(loops, "POLL_SECONDS", 0.001)
    settings.LONGHAUL = {**settings.LONGHAUL, "CONSUMER_COMPARISON_SECONDS": 0.000_001}


@pytest.fixture
def handler() -> Noting:
    return Noting()


@pytest.fixture
def start(redis_client, clock, handler):
    """A new process: `start()` is a loop that was told nothing yet."""

    def begin(**fields) -> ConsumerLoop:
        return ConsumerLoop(consumer_of(handler), connection=redis_client, clock=clock, **fields)

    return begin


def test_a_poisoned_event_waits_alone_and_ends_as_a_dead_letter(start, redis_client, handler, clock):
    sick, well = make_stream(), make_stream()
    write(sick, 3)
    write(well, 3)
    tell(redis_client, sick)
    tell(redis_client, well)
    handler.fails = lambda event: event.stream == sick.key and event.seq == 2
    loop = start()
    turns(loop)
    assert (applied(sick), applied(well), pending(redis_client)) == ([1], [1, 2, 3], 0)
    row = Inbox.objects.get(stream=sick.key)
    assert (row.seq, row.failures, row.error) == (1, 1, "ValueError: no line for 2")

    waits = []
    while not DeadLetter.objects.exists():
        row.refresh_from_db()
        waits.append((row.retry_at - clock.now()).total_seconds())
        clock.turn(seconds=waits[-1])
        turns(loop, 2)
    assert waits == [1, 2, 4, 8]
    turns(loop)
    assert applied(sick) == [1, 3]
    row.refresh_from_db()
    assert (row.seq, row.failures, row.retry_at, row.error) == (3, 0, None, "")
    letter = DeadLetter.objects.get()
    assert (letter.consumer, letter.stream, letter.seq, letter.failures) == (NAME, sick.key, 2, 5)
    assert letter.envelope["seq"] == 2
    assert letter.event_id == Entry.objects.get(stream=sick, seq=2).id


def test_an_event_that_takes_the_process_with_it_ends_as_a_dead_letter_too(start, redis_client, handler):
    sick, well = make_stream(), make_stream()
    write(sick, 2)
    write(well, 2)
    tell(redis_client, sick)
    tell(redis_client, well)

    def die(event) -> bool:
        if event.stream == sick.key and event.seq == 1:
            raise Killed
        return False

    handler.fails = die
    for _ in range(8):
        with suppress(Killed):
            turns(released(start()))
    assert DeadLetter.objects.get().seq == 1
    assert (applied(sick), applied(well)) == ([2], [1, 2])


def test_an_event_of_the_log_that_takes_the_process_with_it_is_counted_too(start, handler):
    """A new consumer: the firehose was trimmed long since, the comparison brings the past."""
    stream = make_stream()
    write(stream, 2)

    def die(event) -> bool:
        if event.seq == 1:
            raise Killed
        return False

    handler.fails = die
    for _ in range(12):
        with suppress(Killed):
            turns(released(start()))
    assert [letter.seq for letter in DeadLetter.objects.all()] == [1]
    assert applied(stream) == [2]


def test_trouble_of_the_database_is_waited_for_ever_longer_and_never_held_against_the_event(
    start, redis_client, handler, clock
):
    sick, well = make_stream(), make_stream()
    write(sick, 2)
    write(well, 2)
    tell(redis_client, sick)
    tell(redis_client, well)

    def meet_a_deadlock(event) -> bool:
        if event.stream == sick.key:
            raise OperationalError("deadlock detected")
        return False

    handler.fails = meet_a_deadlock
    loop = start()
    waits = []
    for _ in range(9):
        turns(loop, 2)
        row = Inbox.objects.get(stream=sick.key)
        waits.append((row.retry_at - clock.now()).total_seconds())
        clock.turn(seconds=waits[-1])
    assert (applied(sick), applied(well)) == ([], [1, 2])
    assert (waits, row.failures) == ([1, 2, 4, 8, 16, 32, 60, 60, 60], 0)
    assert not DeadLetter.objects.exists()
    handler.fails = lambda event: False
    turns(loop)
    assert applied(sick) == [1, 2]
    row.refresh_from_db()
    assert (row.put_off, row.retry_at) == (0, None)


def test_a_failed_event_whose_stream_was_erased_does_not_wait_for_ever(start, redis_client, handler, clock):
    stream = make_stream()
    write(stream, 1)
    tell(redis_client, stream)
    handler.fails = lambda event: True
    loop = start()
    turns(loop)
    Stream.objects.all().delete()
    clock.turn(seconds=60)
    turns(loop)
    assert not Inbox.objects.filter(retry_at__isnull=False).exists()


def test_retries_of_shards_that_nobody_has_starve_nobody(start, clock, monkeypatch):
    theirs = [make_stream(7) for _ in range(RETRIES)]
    ours = make_stream(0)
    write(ours, 1)
    now = clock.now()
    Inbox.objects.bulk_create(
        [Inbox(consumer=NAME, stream=each.key, retry_at=now - timedelta(hours=1)) for each in theirs]
    )
    Inbox.objects.create(consumer=NAME, stream=ours.key, failures=1, retry_at=now - timedelta(seconds=1))
    loop = start(at_most=1)
    monkeypatch.setattr(loop, "_compare", lambda *_, **__: None)
    for _ in range(5):
        time.sleep(0.01)
        loop._try_turn()
    assert applied(ours) == [1]
