"""`manage.py outbox verify`: every stream in Redis against the log, and what mends it."""

import json
import time
from uuid import uuid4

import pytest
import redis
from django.core.management import CommandError, call_command
from django.db import OperationalError, transaction
from redis.backoff import NoBackoff
from redis.retry import Retry

from outbox import forgetting, wire
from outbox.clock import CLOCK
from outbox.models import Entry, Stream
from outbox.relay import drain
from outbox.trimming import trim_firehoses
from tests.factories import make_stream
from tests.integration.outbox.commanding import outbox, write

pytestmark = pytest.mark.django_db(transaction=True)


def copy_of(stream: Stream) -> str:
    return wire.run_stream(stream.shard, stream.key, stream.epoch)


def verify(*words: str) -> tuple[int, list[tuple[str, str]]]:
    """Exit status, and (text, mend) of each fault."""
    code, text = outbox("verify", "--json", *words)
    return code, [(fault["text"], fault["mend"]) for fault in json.loads(text)["faults"]]


def test_what_was_published_is_what_the_log_says(published):
    assert verify() == (0, [])
    _, text = outbox("verify")
    assert "looked at 1 streams of the log, 1 run streams and 3 firehose entries" in text


def test_a_pruned_log_and_a_trimmed_copy_are_whole(published, redis_client):
    Entry.objects.filter(stream=published, seq=1).delete()
    Stream.objects.update(pruned=1)
    assert verify() == (0, [])
    redis_client.xtrim(copy_of(published), maxlen=1, approximate=False)
    assert verify() == (0, [])


def test_a_hole_in_the_log_itself_is_told_and_cannot_be_mended(published):
    Entry.objects.filter(stream=published, seq=2).delete()

    code, faults = verify("--run", str(published.key))

    assert code == 1
    assert faults[0] == ("2 entries are there, 3 should be (1 … 3)", "none")


def test_a_lost_tail_is_filled_up_by_the_relay(published, redis_client, publisher):
    redis_client.delete(copy_of(published))
    entry = published.entries.get(seq=1)
    redis_client.xadd(copy_of(published), {"aud": "public", "e": wire.encode(wire.envelope(entry))}, id="1-0")
    assert verify("--repair") == (1, [("it ends at 1, and 3 are published", "compare")])

    drain(publisher, clock=CLOCK)

    assert verify() == (0, [])
    assert redis_client.xlen(copy_of(published)) == 3


def test_a_mended_stream_says_what_was_wrong_with_it(published, redis_client, caplog):
    redis_client.delete(copy_of(published))
    entry = published.entries.get(seq=1)
    redis_client.xadd(copy_of(published), {"aud": "public", "e": wire.encode(wire.envelope(entry))}, id="1-0")
    verify("--repair")

    (record,) = [one for one in caplog.records if "compare a stream" in one.getMessage()]
    assert record.because == "it ends at 1, and 3 are published"


def test_another_history_starts_anew(published, redis_client, publisher):
    redis_client.delete(copy_of(published))
    redis_client.xadd(copy_of(published), {"aud": "public", "e": b'{"id": 1}'}, id="3-0")
    code, faults = verify("--repair")
    assert (code, faults) == (1, [("event 3 is another one than in the log", "renew")])

    drain(publisher, clock=CLOCK)

    former = published.epoch
    published.refresh_from_db()
    assert published.epoch > former
    assert verify() == (0, [])


def test_a_copy_ahead_of_the_head_starts_anew(published, redis_client, publisher):
    write(published, 2)
    drain(publisher, clock=CLOCK)
    Entry.objects.filter(stream=published, seq__gt=3).delete()
    Stream.objects.update(head=3, published=3)

    code, faults = verify("--repair")

    assert code == 1
    assert ("event 4 is not in the log, which ends at 3", "renew") in faults
    drain(publisher, clock=CLOCK)
    assert verify() == (0, [])


def test_a_copy_of_a_later_epoch_than_the_database_knows_is_told(published, redis_client, publisher):
    name = wire.run_stream(published.shard, published.key, 99)
    redis_client.xadd(name, {"aud": "public", "e": "{}"}, id="1-0")
    text = "it is of epoch 99, the database knows 1: it was restored"
    assert verify("--repair") == (1, [(text, "renew")])

    drain(publisher, clock=CLOCK)
    assert verify() == (0, [])


@pytest.mark.parametrize("damage", ["hole", "bytes", "audience", "no event", "no field"])
def test_a_damaged_copy_is_dropped_and_readers_use_the_database(published, redis_client, damage):
    name = copy_of(published)
    if damage == "hole":
        redis_client.xdel(name, "2-0")
    else:
        ((_, fields),) = redis_client.xrange(name, min="3-0")
        damaged = {
            "bytes": {**fields, b"e": fields[b"e"] + b" "},
            "audience": {**fields, b"aud": b"operator"},
            "no event": {**fields, b"e": b"no json"},
            "no field": {b"aud": b"public"},
        }
        redis_client.delete(name)
        redis_client.xadd(name, damaged[damage], id="3-0")

    code, ((_, mend),) = verify("--repair")

    assert (code, mend, redis_client.exists(name)) == (1, "drop", 0)
    assert Stream.objects.get(key=published.key).epoch == published.epoch
    assert verify() == (0, [])


def test_a_run_that_there_is_not_is_not_told_to_be_well(redis_client):
    key = uuid4()
    assert verify("--run", str(key)) == (1, [("there is no such run", "none")])
    assert f"log of {key}: there is no such run" in outbox("verify", "--run", str(key))[1]


def test_what_retention_removed_is_no_fault_of_redis(published, redis_client, monkeypatch):
    """A run that ended a month ago: its stream expired, the firehose was trimmed, and retention removes the rows."""
    a_month_on = int((time.time() + 31 * 86_400) * 1000)
    monkeypatch.setattr("outbox.trimming.now_ms", lambda connection: a_month_on)
    trim_firehoses(redis_client)
    redis_client.delete(copy_of(published))
    with transaction.atomic():
        forgetting.forget_stream(published.key)

    assert verify() == (0, [])


def test_a_tombstone_is_the_event_it_stands_for(published, redis_client):
    name = copy_of(published)
    stub = wire.encode(wire.stub(wire.envelope(published.entries.get(seq=3))))
    redis_client.delete(name)
    redis_client.xadd(name, {"aud": "public", "stub": stub}, id="3-0")

    assert verify() == (0, [])
    assert "1 tombstones" in outbox("verify")[1]


def test_keys_and_entries_of_runs_that_do_not_exist_go(published, redis_client):
    name = copy_of(published)
    Entry.objects.all().delete()
    Stream.objects.all().delete()

    code, faults = verify("--repair")

    assert code == 1
    assert faults == [("its run does not exist", "drop"), *[("its run does not exist", "remove")] * 3]
    assert verify() == (0, [])
    assert not redis_client.exists(name)


def test_the_firehose_tells_nothing_that_the_log_does_not_know(published, redis_client):
    phantom = wire.encode({**wire.envelope(published.entries.get(seq=3)), "id": str(uuid4())})
    fields = {"run": str(published.key), "seq": 3, "epoch": 1, "aud": "public", "e": phantom}
    redis_client.xadd(wire.firehose(published.shard), fields)
    redis_client.xadd(wire.firehose(published.shard), {**fields, "epoch": 0})

    assert verify("--run", str(published.key)) == (1, [("event 3 is not in the log", "renew")])


def test_many_streams_are_read_in_pages(publisher, redis_client, monkeypatch):
    for module, name in (
        ("log", "PAGE_STREAMS"),
        ("run_streams", "PAGE_ENTRIES"),
        ("run_streams", "SCAN_KEYS"),
    ):
        monkeypatch.setattr(f"outbox.verification.{module}.{name}", 2)
    monkeypatch.setattr("outbox.verification.firehoses.PAGE_ENTRIES", 2)
    for _ in range(7):
        write(make_stream(), 5)
    drain(publisher, clock=CLOCK)

    code, text = outbox("verify", "--json")

    assert code == 0
    assert json.loads(text)["looked_at"] == {
        "streams": 7,
        "run_streams": 7,
        "firehose_entries": 35,
        "tombstones": 0,
    }


@pytest.mark.parametrize("words", [("verify",), ("requeue", "--all")], ids=["verify", "requeue"])
def test_while_the_database_is_away_a_command_says_so(redis_client, monkeypatch, words):
    def away(*_, **__):
        raise OperationalError("connection refused")

    monkeypatch.setattr("outbox.verification.log.Stream.objects.filter", away)
    with pytest.raises(CommandError, match=r"The database went away .*: connection refused"):
        call_command("outbox", *words)


def test_while_redis_is_away_a_verification_says_so(monkeypatch):
    away = redis.Redis(host="127.0.0.1", port=1, retry=Retry(NoBackoff(), 0))
    monkeypatch.setattr("outbox.management.commands.outbox.client", lambda: away)
    with pytest.raises(CommandError, match="Redis went away"):
        call_command("outbox", "verify")
