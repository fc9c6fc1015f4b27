import threading
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
import redis
from django.db import OperationalError, connection, transaction
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from redis.backoff import NoBackoff
from redis.retry import Retry

from outbox import forgetting, wire
from outbox.append import append
from outbox.clock import CLOCK
from outbox.models import DeadLetter, Entry, Inbox, Stream
from outbox.retention import prune, prune_stream
from tests.factories import make_stream, messages

pytestmark = pytest.mark.django_db(transaction=True)

DAYS, BATCH = 30, 10


@pytest.fixture(autouse=True)
def kept_for_a_month(settings, redis_client):
    settings.LONGHAUL = {
        **settings.LONGHAUL,
        "ENTRY_RETENTION_DAYS": DAYS,
        "RETENTION_BATCH_ROWS": BATCH,
        "RETENTION_PAUSE_SECONDS": 0,
    }


def write(stream: Stream, clock, *, old: int = 0, young: int = 0, published: int | None = None) -> Stream:
    """A stream with `old` entries of before the retention's time and `young` ones after; all published, or so many."""
    with transaction.atomic():
        append(stream.key, messages(old + young), now=clock.now())
    begin = clock.now() - timedelta(days=DAYS, seconds=9)
    for entry in stream.entries.filter(seq__lte=old):  # a millisecond each: within one, ids are in no order
        Entry.objects.filter(pk=entry.pk).update(id=_id_of(begin + timedelta(milliseconds=entry.seq)))
    upto = old + young if published is None else published
    Stream.objects.filter(key=stream.key).update(published=upto, dirty=upto < old + young)
    stream.refresh_from_db()
    return stream


def write_more(stream: Stream, clock) -> None:
    with transaction.atomic():
        append(stream.key, messages(1), now=clock.now())
    Stream.objects.filter(key=stream.key).update(published=F("head"), dirty=False)


def _id_of(moment) -> UUID:
    return UUID(int=int(moment.timestamp() * 1000) << 80 | uuid4().int >> 48)


def seqs(stream: Stream) -> list[int]:
    return list(stream.entries.order_by("seq").values_list("seq", flat=True))


def pruned(stream: Stream) -> int:
    stream.refresh_from_db()
    return stream.pruned


@pytest.fixture
def clock():
    """Ids are made by the real clock, so ages are measured by it."""
    return CLOCK


def test_old_entries_go_and_the_stream_says_from_where_it_is_there(clock):
    stream = write(make_stream(), clock, old=25, young=3)
    other = write(make_stream(), clock, young=4)

    assert prune(clock=clock) == 25

    assert (pruned(stream), seqs(stream)) == (25, [26, 27, 28])
    assert (pruned(other), seqs(other)) == (0, [1, 2, 3, 4])
    assert prune(clock=clock) == 0


def test_without_the_setting_everything_stays(clock, settings):
    settings.LONGHAUL = {**settings.LONGHAUL, "ENTRY_RETENTION_DAYS": 0}
    stream = write(make_stream(), clock, old=5, young=1)

    assert prune(clock=clock) == 0
    assert len(seqs(stream)) == 6


def test_what_redis_was_not_given_stays_however_old(clock):
    stream = write(make_stream(), clock, old=9, published=4)

    assert prune(clock=clock) == 4
    assert (pruned(stream), seqs(stream)) == (4, [5, 6, 7, 8, 9])


def test_the_last_entry_stays_since_it_says_how_the_round_ended(clock):
    stream = write(make_stream(), clock, old=3)

    assert prune(clock=clock) == 2
    assert seqs(stream) == [3]


def test_a_writer_goes_on_numbering_where_it_was(clock):
    stream = write(make_stream(), clock, old=3, young=1)
    prune(clock=clock)
    with transaction.atomic():
        append(stream.key, messages(1), now=clock.now())

    assert seqs(stream) == [4, 5]


def test_no_transaction_removes_more_rows_than_a_batch(clock):
    streams = [write(make_stream(), clock, old=27, young=1) for _ in range(2)]
    removed = []
    with CaptureQueriesContext(connection) as captured:
        removed = [prune_stream(streams[0].key, upto=28) for _ in range(4)]

    assert removed == [BATCH, BATCH, 7, 0]
    deletes = [query["sql"] for query in captured if query["sql"].startswith("DELETE")]
    assert len(deletes) == 3
    assert prune(clock=clock) == 27, "the other one, in turns"
    assert [seqs(stream) for stream in streams] == [[28], [28]]


def test_a_pass_ends_in_time_and_the_next_one_goes_on(clock, settings):
    settings.LONGHAUL = {**settings.LONGHAUL, "RETENTION_PASS_SECONDS": 1e-9}
    write(make_stream(), clock, old=30, young=1)

    assert [prune(clock=clock) for _ in range(4)] == [BATCH, BATCH, BATCH, 0]


def test_a_pass_goes_on_where_the_last_one_ended_and_once_a_day_at_the_beginning(clock, redis_client):
    idle, busy = write(make_stream(), clock, old=1), write(make_stream(), clock, old=5, young=1)
    assert prune(clock=clock) == 5
    assert 0 < redis_client.ttl(wire.PRUNED) <= 86_400
    write_more(idle, clock)

    assert prune(clock=clock) == 0, "what was looked at is not looked at again"
    redis_client.delete(wire.PRUNED)  # its time is over, or Redis was flushed
    assert prune(clock=clock) == 1
    assert (seqs(idle), seqs(busy)) == ([2], [6])


def test_a_pass_that_finds_nothing_reads_no_more_than_is_new(clock, monkeypatch):
    monkeypatch.setattr("outbox.retention.LOOKED_AT", 2)
    for _ in range(6):
        write(make_stream(), clock, old=1)

    def reads() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert prune(clock=clock) == 0
        return sum("outbox_entry" in query["sql"] for query in captured)

    assert (reads(), reads()) == (4, 1)


def test_without_redis_all_is_looked_at_each_time(clock, monkeypatch):
    away = redis.Redis(host="127.0.0.1", port=1, retry=Retry(NoBackoff(), 0))
    monkeypatch.setattr("outbox.retention.client", lambda: away)
    write(make_stream(), clock, old=3, young=1)

    assert prune(clock=clock) == 3


def test_a_turn_ends_in_time_between_two_streams(clock, settings):
    settings.LONGHAUL = {**settings.LONGHAUL, "RETENTION_PASS_SECONDS": 1e-9}
    for _ in range(2):
        write(make_stream(), clock, old=3, young=1)

    assert [prune(clock=clock) for _ in range(3)] == [3, 3, 0]


def test_ids_that_a_clock_made_out_of_order_leave_no_hole(clock):
    stream = write(make_stream(), clock, old=4, young=2)
    Entry.objects.filter(stream=stream, seq=2).update(id=_id_of(clock.now()))

    prune(clock=clock)

    assert seqs(stream) == list(range(pruned(stream) + 1, 7))


def test_a_stream_that_a_writer_has_is_passed_over_at_once(clock):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer and no sessions")
    stream = write(make_stream(), clock, old=3, young=1)
    with _held_by_a_writer(stream, clock):
        assert prune(clock=clock) == 0
    assert prune(clock=clock) == 3


def test_writers_of_all_streams_go_on_while_thousands_of_entries_go(clock, settings):
    """Each writer gives up after a tenth of a second: the longest that a batch may keep a stream from it."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer and no sessions")
    settings.LONGHAUL = {**settings.LONGHAUL, "RETENTION_BATCH_ROWS": 500}
    streams = [write(make_stream(), clock, old=600, young=1) for _ in range(4)]
    stop, refused, written = threading.Event(), [], []

    def keep_writing(stream: Stream) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '100ms'")
        while not stop.is_set():
            try:
                with transaction.atomic():
                    written.append(append(stream.key, messages(1), now=clock.now()))
            except OperationalError as error:
                refused.append(error)
        connection.close()

    threads = [threading.Thread(target=keep_writing, args=(stream,)) for stream in streams]
    for thread in threads:
        thread.start()
    removed = 0
    for _ in range(1_000):  # writers come between
        removed += prune(clock=clock)
        if removed == 2_400:
            break
    stop.set()
    for thread in threads:
        thread.join()

    assert refused == []
    assert len(written) > 20
    for stream in streams:
        stream.refresh_from_db()
        assert seqs(stream) == list(range(601, stream.head + 1))


def test_with_a_stream_go_the_places_and_dead_letters_of_its_consumers(clock):
    stream, other = make_stream(), make_stream()
    for key in (stream.key, other.key):
        for consumer in ("billing", "search"):
            Inbox.objects.create(consumer=consumer, stream=key, seq=1)
        DeadLetter.objects.create(
            consumer="mail",
            stream=key,
            epoch=1,
            seq=1,
            event_id=uuid4(),
            type="message",
            envelope={"data": "private"},
            failures=9,
            error="no",
            created_at=clock.now(),
        )
    assert forgetting.consumers() == ["billing", "mail", "search"]

    with transaction.atomic():
        forgetting.forget_stream(stream.key)

    assert set(Inbox.objects.values_list("consumer", "stream")) == {
        ("billing", other.key),
        ("search", other.key),
    }
    assert list(DeadLetter.objects.values_list("stream", flat=True)) == [other.key]
    assert list(Stream.objects.values_list("key", flat=True)) == [other.key]


class _held_by_a_writer:
    """Another session that has appended and not committed yet."""

    def __init__(self, stream: Stream, clock) -> None:
        self._stream, self._clock = stream, clock
        self._written, self._may_commit = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._write)

    def _write(self) -> None:
        with transaction.atomic():
            append(self._stream.key, messages(1), now=self._clock.now())
            self._written.set()
            self._may_commit.wait(10)
        connection.close()

    def __enter__(self) -> None:
        self._thread.start()
        assert self._written.wait(10)

    def __exit__(self, *_: object) -> None:
        self._may_commit.set()
        self._thread.join()
