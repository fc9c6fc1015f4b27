"""`manage.py outbox`: what it says, what it mends, and its exit status."""

import json
import signal
import threading
import time
from datetime import timedelta
from threading import Event
from uuid import uuid4

import pytest
import redis
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from redis.backoff import NoBackoff
from redis.retry import Retry

from outbox import report, status, wire
from outbox.clock import CLOCK
from outbox.conf import conf
from outbox.leases import ShardLeases
from outbox.models import DeadLetter, Stream
from outbox.relay import drain
from tests.factories import make_stream
from tests.integration.outbox.commanding import outbox, write

pytestmark = pytest.mark.django_db(transaction=True)


def status_now() -> tuple[int, dict]:
    code, text = outbox("status", "--json", "--window", "0")
    return code, json.loads(text)


# --- status ---------------------------------------------------------------------------------------------------


def test_an_outbox_at_rest_is_well(published):
    code, told = status_now()

    assert (code, told["healthy"], told["troubles"]) == (0, True, [])
    assert told["database"]["backlog"]["streams"] == 0
    assert told["redis"]["firehoses"][published.shard]["length"] == 3
    assert told["redis"]["last_published_at"] is not None


def test_what_waits_is_counted_by_shard_and_a_wait_too_long_needs_a_human(redis_client):
    young = write(make_stream(), 2)
    assert status_now()[0] == 0
    old = write(make_stream(), 5, ago=3_600)

    code, told = status_now()

    backlog = told["database"]["backlog"]
    assert (backlog["streams"], backlog["entries"]) == (2, 7)
    assert sum(backlog["by_shard"].values()) == 7
    assert set(backlog["by_shard"]) == {str(young.shard), str(old.shard)}
    assert code == 1
    assert told["troubles"][0].startswith("the oldest entry waits for 36")
    assert "7 entries of 2 streams wait, the oldest for 60 min" in outbox("status", "--window", "0")[1]


def test_counts_stop_at_their_limit_and_say_so(redis_client, monkeypatch):
    for _ in range(3):
        write(make_stream(), 1)
    monkeypatch.setattr(status, "COUNT_MAX", 2)

    backlog = status.read_backlog()

    assert (backlog.streams, backlog.entries, backlog.is_capped) == (2, 2, True)
    assert "2+ entries of 2+ streams" in outbox("status", "--window", "0")[1]


def test_poison_is_named_with_its_failures_and_next_try(redis_client):
    stream = write(make_stream(), 4)
    Stream.objects.filter(key=stream.key).update(
        published=1, failures=7, retry_at=timezone.now() + timedelta(seconds=30)
    )

    code, told = status_now()

    (poison,) = told["database"]["poison"]
    assert (poison["run"], poison["seq"], poison["failures"]) == (str(stream.key), 2, 7)
    assert code == 1
    assert f"{stream.key}: event 2 failed 7 times, 3 wait" in outbox("status", "--window", "0")[1]


def test_tombstones_are_named(published, redis_client):
    fields = {"run": str(published.key), "seq": 2, "epoch": 1, "aud": "public", "stub": "{}"}
    redis_client.xadd(wire.firehose(published.shard), fields)

    code, told = status_now()

    assert (code, told["redis"]["tombstones"]) == (1, [{"run": str(published.key), "seq": 2}])


def test_tombstones_are_told_for_as_long_as_a_firehose_keeps_and_not_for_ever(published, redis_client):
    """A group that is behind keeps the entries themselves, and nobody could clear the alarm."""
    firehose = wire.firehose(published.shard)
    redis_client.delete(firehose)
    old = int((time.time() - conf().firehose_seconds - 60) * 1000)
    fields = {"run": str(published.key), "seq": 2, "epoch": 1, "aud": "public", "stub": "{}"}
    redis_client.xadd(firehose, fields, id=f"{old}-0")

    code, told = status_now()

    assert (code, told["redis"]["tombstones"]) == (0, [])


def test_groups_are_told_with_what_they_have_not_read_and_what_they_lost(published, redis_client):
    firehose = wire.firehose(published.shard)
    redis_client.xgroup_create(firehose, "billing", id="0")
    assert "billing: 3 unread, 0 pending" in outbox("status", "--window", "0")[1]
    redis_client.xreadgroup("billing", "slot-0", {firehose: ">"}, count=1, noack=True)
    redis_client.xtrim(firehose, maxlen=1, approximate=False)

    code, text = outbox("status", "--window", "0")

    assert code == 1
    assert f"group billing of shard {published.shard} lost 1 entries" in text


def test_leases_and_dead_letters_are_told(redis_client):
    held = ShardLeases("relay").hold(limit=3)
    DeadLetter.objects.create(
        consumer="billing",
        stream=uuid4(),
        epoch=1,
        seq=4,
        event_id=uuid4(),
        type="message",
        envelope={},
        failures=5,
        error="no",
        created_at=timezone.now(),
    )

    code, text = outbox("status", "--window", "0")

    assert f"shards {' '.join(map(str, sorted(held)))}: " in text
    assert code == 1
    assert "1 dead letters of billing" in text


def test_dead_letters_past_the_limit_are_told_as_such_and_no_consumer_is_left_out(redis_client, monkeypatch):
    monkeypatch.setattr(status, "COUNT_MAX", 2)
    for consumer in ("a", "a", "a", "b"):
        DeadLetter.objects.create(
            consumer=consumer,
            stream=uuid4(),
            epoch=1,
            seq=1,
            event_id=uuid4(),
            type="message",
            envelope={},
            failures=5,
            error="no",
            created_at=timezone.now(),
        )

    text = outbox("status", "--window", "0")[1]

    assert "2+ of a" in text
    assert "1 of b" in text
    assert "2+ dead letters of a" in text


def test_more_poison_than_is_listed_is_told_as_such(redis_client, monkeypatch):
    monkeypatch.setattr(status, "LISTED_MAX", 2)
    for _ in range(3):
        write(make_stream(), 1)
    Stream.objects.update(failures=7)

    assert "2+ streams cannot be published" in outbox("status", "--window", "0")[1]


def test_a_frozen_redis_is_waited_for_once(monkeypatch):
    reads = []

    def frozen(connection):
        reads.append(connection)
        raise redis.TimeoutError("frozen")

    monkeypatch.setattr("outbox.report.read_firehoses", frozen)

    assert outbox("status", "--window", "0.5")[0] == 1
    assert len(reads) == 1


def test_the_rate_is_measured_over_a_window_that_is_named(published, publisher, monkeypatch):
    other = write(make_stream(), 5)

    def work(seconds: float) -> None:
        drain(publisher, clock=CLOCK)
        Event().wait(seconds)  # a window of no length is told as 0.00 seconds

    monkeypatch.setattr("time.sleep", work)

    _, text = outbox("status", "--json", "--window", "0.5")

    rate = json.loads(text)["published_per_second"]
    assert other.head == 5
    assert round(rate["value"] * rate["window_seconds"]) == 5


def test_while_redis_is_away_the_database_is_told_all_the_same(monkeypatch):
    away = redis.Redis(host="127.0.0.1", port=1, retry=Retry(NoBackoff(), 0))
    monkeypatch.setattr("outbox.management.commands.outbox.client", lambda: away)
    write(make_stream())

    code, told = status_now()

    assert (code, told["redis"]) == (1, None)
    assert told["database"]["backlog"]["entries"] == 3
    assert told["troubles"] == ["Redis does not answer: entries wait in the database, nothing is lost"]


def test_while_the_database_is_away_redis_is_told_all_the_same(published, redis_client, monkeypatch):
    monkeypatch.setattr("outbox.status.read_backlog", _database_away)

    told = report.read_report(redis_client, clock=CLOCK)

    assert told.redis is not None
    assert told.troubles() == ["the database does not answer"]


def test_a_status_costs_the_same_queries_however_long_the_backlog(redis_client):
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            status_now()
        return len(captured)

    write(make_stream())
    few = queries()
    for _ in range(20):
        write(make_stream(), 1)
    assert queries() == few


# --- requeue --------------------------------------------------------------------------------------------------


def test_a_requeued_stream_is_tried_at_once_and_the_relay_is_woken(redis_client, publisher):
    stuck, other = write(make_stream()), write(make_stream())
    Stream.objects.update(failures=9, retry_at=timezone.now() + timedelta(hours=1))
    redis_client.flushall()

    code, text = outbox("requeue", str(stuck.key), "--reason", "the cause is mended")

    assert (code, text.splitlines()[-1]) == (0, "1 streams requeued")
    assert redis_client.lrange(wire.wake(stuck.shard), 0, -1) == [str(stuck.key).encode()]
    drain(publisher, clock=CLOCK)
    stuck.refresh_from_db()
    other.refresh_from_db()
    assert (stuck.published, stuck.failures) == (3, 0)
    assert (other.published, other.failures) == (0, 9)


def test_all_of_them_are_requeued_at_once(redis_client):
    for _ in range(2):
        write(make_stream())
    Stream.objects.update(failures=9)
    write(make_stream())

    assert "2 streams requeued" in outbox("requeue", "--all")[1]
    assert "no stream of these had failed" in outbox("requeue", "--all")[1]


def test_a_requeue_says_of_what(redis_client):
    with pytest.raises(CommandError):
        call_command("outbox", "requeue")


# --- relay ----------------------------------------------------------------------------------------------------


def test_a_relay_of_its_own_publishes_until_it_is_told_to_stop(redis_client):
    stream = write(make_stream())
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    stopper = threading.Timer(1.0, signal.raise_signal, [signal.SIGTERM])
    stopper.start()
    try:
        assert outbox("relay", "--seconds", "30")[0] == 0
    finally:
        for number, handler in zip((signal.SIGTERM, signal.SIGINT), before, strict=True):
            signal.signal(number, handler)
        stopper.join()
    stream.refresh_from_db()
    assert stream.published == 3


def _database_away() -> None:
    raise OperationalError("away")
