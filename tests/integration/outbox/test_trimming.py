import logging
import time
from datetime import timedelta

import pytest
import redis

from outbox import trimming, wire
from outbox.conf import conf
from outbox.firehose import read_firehose
from outbox.trimming import trim_firehose, trim_firehoses

SHARD = 3
NAME = wire.firehose(SHARD)
GROUP = "billing"
NODE = 100  # entries of a node: XTRIM with ~ takes whole ones


@pytest.fixture(autouse=True)
def short(settings):
    settings.LONGHAUL = {**settings.LONGHAUL, "FIREHOSE_SECONDS": 60, "FIREHOSE_MAX_ENTRIES": 1_000}


def ago(seconds: float) -> int:
    return int((time.time() - seconds) * 1000)


def fill(client: "redis.Redis", count: int, *, seconds_ago: float) -> list[str]:
    """`count` entries as a relay would have added them then, a millisecond apart."""
    ids = [f"{ago(seconds_ago) + number}-0" for number in range(count)]
    with client.pipeline(transaction=False) as pipe:
        for entry_id in ids:
            pipe.xadd(NAME, {"run": "r", "seq": 1, "epoch": 1, "aud": "public", "e": "{}"}, id=entry_id)
        pipe.execute()
    return ids


def read_group(client: "redis.Redis", count: int, *, acknowledge: bool = True) -> None:
    ((_, entries),) = client.xreadgroup(GROUP, "slot-0", {NAME: ">"}, count=count)
    if acknowledge:
        client.xack(NAME, GROUP, *(entry_id for entry_id, _ in entries))


def alarms(caplog) -> list[tuple[str, object]]:
    return [
        (record.getMessage(), getattr(record, "lost", None))
        for record in caplog.records
        if record.levelno >= logging.ERROR
    ]


def test_what_is_older_than_the_time_span_goes_and_what_is_younger_stays(redis_client):
    fill(redis_client, 3 * NODE, seconds_ago=600)
    young = fill(redis_client, NODE, seconds_ago=10)

    assert trim_firehose(redis_client, SHARD) == 3 * NODE
    assert [entry_id.decode() for entry_id, _ in redis_client.xrange(NAME)] == young


def test_an_empty_or_missing_firehose_is_left_alone(redis_client):
    assert trim_firehoses(redis_client) == 0
    assert not redis_client.exists(NAME)


def test_nothing_goes_that_a_group_has_not_read(redis_client, caplog):
    redis_client.xgroup_create(NAME, GROUP, id="0", mkstream=True)
    fill(redis_client, 5 * NODE, seconds_ago=600)
    read_group(redis_client, 2 * NODE)

    trim_firehose(redis_client, SHARD)

    (group,) = read_firehose(redis_client, SHARD).groups
    assert (group.lag, group.lost, redis_client.xlen(NAME)) == (3 * NODE, 0, 3 * NODE + 1)
    assert alarms(caplog) == []


def test_nothing_goes_that_a_consumer_has_not_acknowledged(redis_client):
    redis_client.xgroup_create(NAME, GROUP, id="0", mkstream=True)
    fill(redis_client, 3 * NODE, seconds_ago=600)
    read_group(redis_client, 2 * NODE)
    read_group(redis_client, NODE, acknowledge=False)
    young = fill(redis_client, NODE, seconds_ago=10)
    redis_client.xreadgroup(GROUP, "slot-1", {NAME: ">"}, count=len(young))

    trim_firehose(redis_client, SHARD)

    (group,) = read_firehose(redis_client, SHARD).groups
    assert (group.pending, group.lost, redis_client.xlen(NAME)) == (2 * NODE, 0, 2 * NODE)


def test_a_firehose_that_is_too_long_is_cut_and_says_who_lost_how_many(redis_client, caplog):
    redis_client.xgroup_create(NAME, GROUP, id="0", mkstream=True)
    fill(redis_client, 1_500, seconds_ago=10)
    read_group(redis_client, 300)
    read_group(redis_client, 50, acknowledge=False)

    assert trim_firehose(redis_client, SHARD) == 500

    # 150 it had not been given, and 50 that were given and not acknowledged.
    assert ("firehose trimmed past a group", 200) in alarms(caplog)


def test_what_the_append_script_cut_before_a_group_read_it_is_told_as_well(redis_client, caplog):
    redis_client.xgroup_create(NAME, GROUP, id="0", mkstream=True)
    fill(redis_client, 2 * NODE, seconds_ago=10)
    read_group(redis_client, 10)
    redis_client.xtrim(NAME, maxlen=NODE, approximate=False)

    trim_firehose(redis_client, SHARD)

    assert ("firehose trimmed past a group", NODE - 10) in alarms(caplog)


def test_a_group_that_was_never_given_anything_is_told_by_the_trimming_that_cuts(redis_client, caplog):
    redis_client.xgroup_create(NAME, GROUP, id="0", mkstream=True)
    fill(redis_client, 1_500, seconds_ago=10)

    trim_firehose(redis_client, SHARD)

    assert ("firehose trimmed past a group", 1) in alarms(caplog)


@pytest.mark.parametrize("reads_on", [False, True], ids=["stands still", "reads past it"])
def test_a_group_that_loses_entries_is_told_although_something_was_erased_among_them(
    redis_client, caplog, reads_on
):
    redis_client.xgroup_create(NAME, GROUP, id="0", mkstream=True)
    ids = fill(redis_client, 2_000, seconds_ago=10)
    read_group(redis_client, 100)
    redis_client.xdel(NAME, ids[1_500])  # as an erasing does
    if reads_on:
        read_group(redis_client, 100)

    assert trim_firehose(redis_client, SHARD) > 0

    ((text, lost), *_) = alarms(caplog)
    assert text == "firehose trimmed past a group"
    assert lost >= (1 if reads_on else 800)


def test_a_group_made_after_a_trim_lost_nothing_by_it(redis_client, caplog):
    fill(redis_client, 3 * NODE, seconds_ago=10)
    redis_client.xtrim(NAME, maxlen=NODE, approximate=False)
    redis_client.xgroup_create(NAME, GROUP, id="0")

    assert trim_firehose(redis_client, SHARD) == 0

    (group,) = read_firehose(redis_client, SHARD).groups
    assert (group.lag, group.lost, alarms(caplog)) == (NODE, 0, [])


def test_a_group_that_has_read_all_lost_nothing_when_its_last_entry_is_erased(redis_client, caplog):
    redis_client.xgroup_create(NAME, GROUP, id="0", mkstream=True)
    ids = fill(redis_client, NODE, seconds_ago=600)
    read_group(redis_client, NODE)
    redis_client.xdel(NAME, *ids)
    fill(redis_client, 3, seconds_ago=10)

    trim_firehose(redis_client, SHARD)

    assert (read_firehose(redis_client, SHARD).groups[0].lag, alarms(caplog)) == (3, [])


def test_the_firehose_of_a_quiet_shard_forgets_what_is_older_than_its_time_span(redis_client):
    fill(redis_client, 90, seconds_ago=30 * 86_400)
    fill(redis_client, 5, seconds_ago=1)

    assert trim_firehose(redis_client, SHARD) == 90
    assert redis_client.xlen(NAME) == 5


def test_an_emptied_firehose_still_tells_what_a_group_lost(redis_client, caplog):
    redis_client.xgroup_create(NAME, GROUP, id="0", mkstream=True)
    fill(redis_client, NODE, seconds_ago=10)
    read_group(redis_client, 10, acknowledge=False)
    redis_client.xtrim(NAME, maxlen=0, approximate=False)

    assert read_firehose(redis_client, SHARD).groups[0].lost == NODE


def test_a_group_that_nobody_reads_for_a_week_holds_up_nothing_and_is_not_destroyed(
    redis_client, caplog, monkeypatch
):
    redis_client.xgroup_create(NAME, GROUP, id="0", mkstream=True)
    fill(redis_client, 3 * NODE, seconds_ago=600)
    read_group(redis_client, NODE)
    now = ago(0) + int(timedelta(days=8).total_seconds() * 1000)
    monkeypatch.setattr(trimming, "now_ms", lambda connection: now)
    redis_client.xgroup_delconsumer(NAME, GROUP, "slot-0")

    assert trim_firehose(redis_client, SHARD) == 3 * NODE

    assert "group forgotten: it holds up no trimming; destroy it, or read on" in caplog.messages
    assert [group["name"] for group in redis_client.xinfo_groups(NAME)] == [GROUP.encode()]


def test_a_new_group_waits_for_its_first_consumer(redis_client):
    redis_client.xgroup_create(NAME, GROUP, id="0", mkstream=True)
    fill(redis_client, 3 * NODE, seconds_ago=600)

    assert trim_firehose(redis_client, SHARD) == 0


def test_a_group_far_behind_is_told_before_it_loses_anything(redis_client, caplog):
    redis_client.xgroup_create(NAME, GROUP, id="0", mkstream=True)
    fill(redis_client, conf().firehose_max_entries * 6 // 10, seconds_ago=10)

    trim_firehose(redis_client, SHARD)

    assert ("group far behind: it will lose entries", None) in alarms(caplog)
