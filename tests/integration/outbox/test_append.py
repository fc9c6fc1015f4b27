import threading
from random import Random
from uuid import uuid4

import pytest
from django.db import connection, transaction

from config.ports import free_port
from outbox import nudge
from outbox.append import Message, NotInTransaction, PayloadTooLarge, UnknownStream, append
from outbox.models import Entry, Stream
from outbox.redis import client
from tests.factories import NOW, make_stream, messages


@pytest.mark.django_db(transaction=True)
def test_appending_outside_a_transaction_is_refused():
    stream = make_stream()
    with pytest.raises(NotInTransaction):
        append(stream.key, messages(1), now=NOW)
    assert not Entry.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_numbers_go_on_from_the_head_without_holes():
    stream = make_stream()
    with transaction.atomic():
        assert append(stream.key, messages(3), now=NOW) == 3
    with transaction.atomic():
        assert append(stream.key, messages(2), now=NOW) == 5
    assert list(stream.entries.order_by("seq").values_list("seq", flat=True)) == [1, 2, 3, 4, 5]
    stream.refresh_from_db()
    assert (stream.head, stream.published, stream.dirty) == (5, 0, True)


@pytest.mark.django_db(transaction=True)
def test_a_rollback_takes_the_numbers_back():
    stream = make_stream()
    with transaction.atomic():
        append(stream.key, messages(1), now=NOW)
        transaction.set_rollback(True)
    with transaction.atomic():
        assert append(stream.key, messages(1), now=NOW) == 1


@pytest.mark.django_db
def test_a_message_for_a_stream_that_was_never_opened_is_refused():
    with pytest.raises(UnknownStream):
        append(uuid4(), messages(1), now=NOW)


@pytest.mark.django_db
def test_a_payload_over_the_limit_is_refused_before_anything_is_written():
    stream = make_stream()
    with pytest.raises(PayloadTooLarge, match="store the bulk"):
        append(stream.key, [Message(type="message", payload={"text": "x" * 40_000})], now=NOW)
    assert not Entry.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_commit_succeeds_while_redis_is_away(settings):
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port('127.0.0.1')}/0"  # nobody listens there
    client.cache_clear()
    nudge.breaker.reset()
    stream = make_stream()
    with transaction.atomic():
        append(stream.key, messages(1), now=NOW)
    assert Stream.objects.get().dirty
    assert not nudge.breaker.allows(), "the wake-up was never tried"
    client.cache_clear()


@pytest.mark.django_db(transaction=True)
def test_a_wake_up_that_breaks_neither_undoes_the_commit_nor_keeps_what_follows_it(monkeypatch):
    def fail(shard: int) -> None:
        raise RuntimeError("of no kind that anybody expects")

    monkeypatch.setattr(nudge, "wake_relay", fail)
    stream, followed = make_stream(), []
    with transaction.atomic():
        append(stream.key, messages(1), now=NOW)
        transaction.on_commit(lambda: followed.append(True))
    assert Entry.objects.count() == 1
    assert followed


@pytest.mark.django_db(transaction=True)
def test_eight_writers_with_rollbacks_leave_no_hole_and_a_reader_sees_every_number_in_order():
    """Experiment A1: a reader that follows `seq > last` of one stream loses nothing, whatever rolls back."""
    stream, seed = make_stream(), 20261122
    done = threading.Event()
    seen: list[int] = []

    def write(number: int) -> None:
        rolls = Random(seed + number)
        try:
            for _ in range(25):
                with transaction.atomic():
                    append(stream.key, messages(rolls.randint(1, 3)), now=NOW)
                    if rolls.random() < 0.1:
                        transaction.set_rollback(True)
        finally:
            connection.close()

    def read() -> None:
        last = 0
        while True:
            finished = done.is_set()
            fresh = list(
                Entry.objects.filter(stream=stream, seq__gt=last)
                .order_by("seq")
                .values_list("seq", flat=True)
            )
            seen.extend(fresh)
            last = seen[-1] if seen else 0
            if finished:
                connection.close()
                return
            done.wait(0.005)  # SQLite's writers have no queue: a reader in a tight loop would starve one

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    reader.start()
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    done.set()
    reader.join()

    head = Stream.objects.get(key=stream.key).head
    assert head > 200, f"seed {seed}"
    assert seen == list(range(1, head + 1)), f"seed {seed}"
