"""Readers of a log that was restored to an earlier point, or whose beginning is no longer kept."""

import asyncio
import json
import random
import threading
from typing import Any

import pytest
from channels.layers import channel_layers
from django.db import OperationalError

from outbox import epochs, nudge, wire
from outbox.models import Audience, Entry, Stream
from streaming.gateway import Seen
from streaming.gateway import feed as feed_module
from streaming.gateway import log as log_module
from streaming.gateway.feeds import feeds
from streaming.gateway.followed import CaughtUp, End, Event, Gap, Head, Opened, Reset
from streaming.gateway.reads import read

pytestmark = pytest.mark.django_db(transaction=True)
SNAPSHOT = "/api/v1/runs/this"


@pytest.fixture(autouse=True)
def _private_layer() -> None:
    channel_layers.backends.clear()


@pytest.fixture(autouse=True)
def _snapshot(rights) -> None:
    rights.seen = Seen(Audience.OPERATOR, snapshot=SNAPSHOT)


@pytest.fixture
def named(monkeypatch) -> list[Any]:
    """Streams that were named to the relay."""
    keys: list[Any] = []
    monkeypatch.setattr(nudge, "wake_relay", lambda shard, key: keys.append(key))
    return keys


async def stream_of(log: Any) -> Stream:
    return await read(Stream.objects.get, key=log.run)


# A cursor that the log does not go on from


async def test_a_cursor_of_the_log_before_is_told_to_start_anew_at_once(log, following):
    await log.write("message", "message")
    epoch = await log.move_on()
    for cursor in (1, "1.2", f"{epoch - 1}.1"):
        async with following(log, after=cursor) as follower:
            opened = await follower.next()
            assert isinstance(opened, Opened)
            assert await follower.next() == Reset(2, epoch, SNAPSHOT)
            assert await follower.ends()


async def test_a_cursor_of_the_same_epoch_loses_nothing(log, following):
    await log.write("message", "message", "message")
    epoch = await log.move_on()
    async with following(log, after=f"{epoch}.1") as follower:
        assert await follower.events(up_to=3) == [2, 3]


async def test_who_has_seen_nothing_begins_in_whatever_epoch_the_log_is(log, following):
    await log.write("message", "message")
    await log.move_on()
    async with following(log, after=0) as follower:
        assert await follower.events(up_to=2) == [1, 2]


async def test_a_cursor_ahead_of_the_log_makes_the_relay_look_and_moves_nothing(log, following, named):
    await log.write("message")
    await log.change(dirty=False, published=1)
    named.clear()
    async with following(log, after=9) as follower:
        _, reset = await follower.until(Reset)
        assert reset == Reset(1, 1, SNAPSHOT)
        assert await follower.ends()

    stream = await stream_of(log)
    assert (stream.dirty, stream.epoch) == (True, 1)
    assert named == [log.run]


async def test_a_cursor_of_an_epoch_that_is_yet_to_come_is_ahead_too(log, following, named):
    """The database was restored to a point before that epoch began."""
    await log.write("message", "message")
    await log.change(dirty=False, published=2)
    async with following(log, after="1763800000.1") as follower:
        assert (await follower.until(Reset))[1] == Reset(2, 1, SNAPSHOT)
    assert (await stream_of(log)).dirty


async def test_a_database_that_takes_no_writes_still_tells_its_readers(log, following, monkeypatch):
    def refuse(run: Any) -> None:
        raise OperationalError("cannot execute UPDATE in a read-only transaction")

    monkeypatch.setattr(epochs, "suspect", refuse)
    async with following(log, after=9) as follower:
        assert (await follower.until(Reset))[1].epoch == 1


async def test_of_a_cut_log_what_is_left_can_be_followed_and_what_is_gone_is_said(log, following):
    await log.write(*["message"] * 6)
    await log.prune(3)
    for cursor in (0, 2):
        async with following(log, after=cursor) as follower:
            assert (await follower.until(Reset))[1] == Reset(6, 1, SNAPSHOT)
    async with following(log, after=3) as follower:
        assert await follower.events(up_to=6) == [4, 5, 6]


async def test_a_log_without_its_last_event_has_no_end_to_tell(log, following):
    await log.write("run.created", "run.completed", closes=True)
    await log.prune(2)
    async with following(log, after=2) as follower:
        before, caught_up = await follower.until(CaughtUp)
        assert (len(before), caught_up) == (1, CaughtUp(2))
        await log.send("run.resumed")
        assert await follower.events(up_to=3) == [3]


# Under the eyes of a follower


@pytest.mark.parametrize("is_hinted", [True, False])
async def test_followers_are_told_once_when_the_epoch_moves_and_hear_no_more(
    log, following, limits, is_hinted
):
    limits(HEARTBEAT_SECONDS=60 if is_hinted else 0.2)
    await log.write(*["message"] * 5)
    async with following(log) as follower:
        await follower.until(CaughtUp)
        epoch = await log.lose(2, is_noticed=True)
        if is_hinted:
            await log.tell(3, 3)

        before, reset = await follower.until(Reset)

        assert [item for item in before if not isinstance(item, Head)] == []
        assert reset == Reset(3, epoch, SNAPSHOT)
        assert await follower.ends()


async def test_a_log_that_became_shorter_than_we_have_read_it_resets_its_readers_and_starts_anew(
    log, following, limits, named
):
    limits(HEARTBEAT_SECONDS=0.1)
    await log.write("message", "message")
    async with following(log) as follower:
        await follower.until(CaughtUp)
        await log.lose(1)

        assert (await follower.until(Reset))[1] == Reset(1, 1, SNAPSHOT)
        assert await follower.ends()
    assert (await stream_of(log)).epoch > 1


async def test_nothing_of_the_new_log_is_given_out_under_the_numbers_of_the_old(log, following, limits):
    """The follower is at 3 of 5; the log is restored to 2, and goes on to 6 in its new epoch."""
    limits(HEARTBEAT_SECONDS=60)
    await log.write(*["message"] * 3)
    async with following(log) as follower:
        await follower.until(CaughtUp)
        await log.write("message", "message")
        await log.lose(3)
        epoch = await log.move_on()
        await log.send(*["step.started"] * 4)

        before, reset = await follower.until(Reset)

        assert [item for item in before if isinstance(item, Event)] == []
        assert reset.epoch == epoch


async def test_a_page_that_was_read_for_others_before_the_restore_is_not_given_to_who_came_after(
    log, following, limits, monkeypatch
):
    limits(HEARTBEAT_SECONDS=60)
    await log.write("message", "message")
    may_go, is_reading = threading.Event(), threading.Event()
    original = log_module.read_page

    def read_and_wait(*args: Any, **kwargs: Any) -> Any:
        page = original(*args, **kwargs)
        is_reading.set()
        assert may_go.wait(timeout=20)
        return page

    async with following(log) as first:
        await first.next()
        monkeypatch.setattr(feed_module, "read_page", read_and_wait)
        reading = asyncio.create_task(first.until((Event, Reset)))
        await asyncio.to_thread(is_reading.wait, 20)
        monkeypatch.setattr(feed_module, "read_page", original)
        await log.lose(1, is_noticed=True)
        await log.write("step.started")
        async with following(log) as second:
            await second.next()
            coming = asyncio.create_task(second.until(CaughtUp))
            await asyncio.sleep(0.05)  # it waits for the same page
            may_go.set()
            before, _ = await coming
            assert [json.loads(item.body)["type"] for item in before] == ["message", "step.started"]
        await reading


async def test_a_look_at_the_head_from_before_the_restore_resets_nobody_who_came_after(
    log, following, limits
):
    limits(HEARTBEAT_SECONDS=60)
    await log.write("message", "message")
    async with following(log) as first:
        await first.until(CaughtUp)  # its look at the head is kept
        epoch = await log.lose(1, is_noticed=True)
        async with following(log, after=f"{epoch}.1") as second:
            before, _ = await second.until(CaughtUp)
            assert [type(item) for item in before] == [Opened]
            await log.send("message")
            assert await second.events(up_to=2) == [2]


async def test_without_a_layer_the_news_of_a_new_epoch_reach_everybody_all_the_same(
    log, following, limits, monkeypatch
):
    limits(HEARTBEAT_SECONDS=60)
    monkeypatch.setattr(feed_module, "POLL_SECONDS", 0.05)
    channel_layers.set("default", None)
    monkeypatch.setattr(feed_module, "get_channel_layer", lambda: None)
    await log.write(*["message"] * 5)
    async with following(log) as follower:
        await follower.until(CaughtUp)
        epoch = await log.lose(3, is_noticed=True)

        assert (await follower.until(Reset))[1].epoch == epoch


async def test_late_news_of_the_log_before_trouble_nobody(log, following, limits):
    limits(HEARTBEAT_SECONDS=60)
    await log.write("message", "message")
    late = await log.hint(1, 2)
    epoch = await log.move_on()
    async with following(log, after=f"{epoch}.2") as follower:
        await follower.until(CaughtUp)
        (feed,) = feeds()._feeds.values()
        feed._post(feed_module.parse_hint({**late, "last": 9, "head": 9}))
        await log.send("message")

        assert await follower.events(up_to=3) == [3]


async def test_who_falls_behind_a_log_that_is_cut_is_told_to_start_anew_and_shown_no_hole(
    log, following, limits
):
    limits(FOLLOW_PAGE_EVENTS=2, HEARTBEAT_SECONDS=60)
    await log.write(*["message"] * 9)
    async with following(log) as follower:
        assert await follower.events(up_to=2) == [1, 2]
        await log.prune(6)

        before, end = await follower.until((Reset, CaughtUp))

        assert end == Reset(9, 1, SNAPSHOT)
        assert not any(isinstance(item, Gap) for item in before)
        assert [item.seq for item in before] in ([], [3, 4])  # a page that was read before may be given out


@pytest.mark.parametrize("seed", range(4))
async def test_any_follower_of_any_restore_ends_with_the_log_as_it_is(log, following, limits, seed):
    """Cuts, restores and new epochs at random; the client keeps its cursor, and starts anew when it is told to."""
    limits(HEARTBEAT_SECONDS=0.1, FOLLOW_PAGE_EVENTS=3)
    dice = random.Random(seed)
    held: dict[int, bytes] = {}
    cursor, resets = "0", 0
    await log.write("message")
    for _ in range(25):
        match dice.randrange(4):
            case 0 if (count := len(await log.seqs())) > 3:
                await log.lose(dice.randint(1, min(4, count - 1)))
                await log.write(
                    "message", size=dice.randint(1, 50)
                )  # takes a number that was given out before
                await log.move_on()
            case _:
                await log.send(*["message"] * dice.randint(1, 4), size=dice.randint(1, 50))
        async with following(log, after=cursor) as follower:
            epoch = (await follower.next()).epoch
            for _ in range(dice.randint(1, 8)):
                item = await follower.next()
                if isinstance(item, Event):
                    held[item.seq] = item.body
                    cursor = wire.format_cursor(item.seq, epoch=epoch)
                elif isinstance(item, Reset):
                    held, cursor, resets = {}, "0", resets + 1
                    break
    for _ in range(2):
        async with following(log, after=cursor) as follower:
            before, end = await follower.until((CaughtUp, Reset))
            held |= {item.seq: item.body for item in before if isinstance(item, Event)}
            if isinstance(end, Reset):
                held, cursor = {}, "0"
            else:
                break

    entries = await read(lambda: list(Entry.objects.filter(stream=log.run).order_by("seq")))
    assert resets > 0
    assert held == {entry.seq: wire.encode(wire.envelope(entry)) for entry in entries}


# Watched runs first


async def test_a_watched_run_that_lags_is_named_to_the_relay_once_a_heartbeat(log, following, limits, named):
    limits(HEARTBEAT_SECONDS=0.3)
    await log.write("message")
    named.clear()  # its own commit did so too
    async with following(log) as first, following(log) as second:
        await second.until(CaughtUp)
        _, head = await first.until(Head)
        assert head == Head(1, 1)
        assert set(named) == {log.run}
        assert len(named) <= 2  # when it was opened, and with this heartbeat

        await log.change(dirty=False, published=1)
        await first.until(Head)
        told = len(named)
        await first.until(Head)
        await first.until(Head)
        assert len(named) == told


async def test_a_nudge_that_hangs_holds_nobody_up(log, following, monkeypatch):
    may_end = threading.Event()
    await log.write("run.completed", closes=True)
    monkeypatch.setattr(nudge, "wake_relay", lambda shard, key: may_end.wait(timeout=20))
    async with following(log) as follower:
        assert (await follower.until(End))[1] == End(1, "completed")
    may_end.set()
