import asyncio
import random
import threading
from contextlib import aclosing
from typing import Any
from uuid import uuid4

import pytest
from channels.layers import InMemoryChannelLayer, channel_layers, get_channel_layer
from django.db import DatabaseError, InterfaceError, connections

from outbox.models import Audience
from streaming import hints
from streaming.conf import conf
from streaming.gateway import feed as feed_module
from streaming.gateway import log as log_module
from streaming.gateway import reads
from streaming.gateway.access import Seen
from streaming.gateway.drain import DRAIN
from streaming.gateway.errors import Refused
from streaming.gateway.feed import RunFeed
from streaming.gateway.feeds import feeds
from streaming.gateway.follow import follow
from streaming.gateway.followed import Bye, CaughtUp, Denied, End, Event, Frame, Gap, Head, Opened
from streaming.gateway.opening import open_run
from streaming.gateway.reads import read
from streaming.hints import LiveFrame
from tests.integration.streaming.gateway.conftest import Follower

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def layer() -> InMemoryChannelLayer:
    channel_layers.backends.clear()
    return get_channel_layer()


@pytest.fixture(autouse=True)
def _private_layer(layer: InMemoryChannelLayer) -> None:
    """A layer of the test's own event loop."""


async def test_a_reader_is_caught_up_from_its_cursor_and_then_live(log, following):
    await log.write("message", "message", "message")
    async with following(log, after=1) as follower:
        before, caught_up = await follower.until(CaughtUp)

        assert [type(item) for item in before] == [Opened, Event, Event]
        assert before[0] == Opened(log.run, 1, 3, 1, True)
        assert [item.seq for item in before[1:]] == [2, 3]
        assert caught_up == CaughtUp(3)

        await log.send("message", "message")
        assert await follower.events(up_to=5) == [4, 5]


async def test_a_live_event_costs_no_read_of_the_log(log, following, monkeypatch):
    async with following(log) as follower:
        await follower.until(CaughtUp)
        hint = await log.hint(1, await log.write("message"))
        monkeypatch.setattr(log_module.Entry.objects, "filter", _refuse)

        await get_channel_layer().group_send(hints.group_of(log.run), hint)

        assert await follower.events(up_to=1) == [1]


def _refuse(*args: Any, **kwargs: Any) -> None:
    raise AssertionError("the log was read")


async def test_pages_are_read_until_the_log_is_at_its_end(log, following, limits):
    limits(FOLLOW_PAGE_EVENTS=7)
    await log.write(*["message"] * 30)
    async with following(log) as follower:
        assert await follower.events(up_to=30) == list(range(1, 31))


async def test_hints_that_are_lost_doubled_and_reordered_cost_no_event(log, following, limits):
    limits(HEARTBEAT_SECONDS=0.3)
    dice = random.Random(7)
    async with following(log) as follower:
        await follower.until(CaughtUp)
        told = []
        for _ in range(60):
            head = await log.write(*["message"] * dice.randint(1, 3))
            told.append(await log.hint(max(1, head - dice.randint(0, 4)), head))
            if dice.random() < 0.3:
                told.pop()
            elif dice.random() < 0.1:
                told.append(told[0])
            dice.shuffle(told)
            while len(told) > 3:
                await get_channel_layer().group_send(hints.group_of(log.run), told.pop())

        assert await follower.events(up_to=head) == list(range(1, head + 1))


async def test_a_bare_hint_is_reason_enough_to_read(log, following):
    async with following(log) as follower:
        await follower.until(CaughtUp)
        message = {**await log.hint(1, await log.write("message", "message")), "events": []}
        await get_channel_layer().group_send(hints.group_of(log.run), message)

        assert await follower.events(up_to=2) == [1, 2]


async def test_a_lost_last_hint_is_noticed_at_the_heartbeat(log, following, limits):
    limits(HEARTBEAT_SECONDS=0.2)
    async with following(log) as follower:
        await follower.until(CaughtUp)
        await log.write("message")

        before, head = await follower.until(Head)
        while head.seq == 0:
            more, head = await follower.until(Head)
            before += more
        assert [item.seq for item in before] == [1]
        assert head == Head(1, 1)


async def test_a_rumour_of_events_that_nobody_wrote_gives_nothing_and_costs_no_loop(log, following, limits):
    limits(HEARTBEAT_SECONDS=0.2)
    async with following(log) as follower:
        await follower.until(CaughtUp)
        rumour = hints.EventsHint(run=log.run, epoch=1, last=1_000)
        (run_feed,) = feeds()._feeds.values()
        run_feed._post(rumour)

        before, head = await follower.until(Head)

        assert (before, head) == ([], Head(0, 1))


async def test_a_slow_reader_goes_on_from_the_database(log, following, limits):
    limits(FOLLOW_QUEUE_MAX_EVENTS=4)
    async with following(log) as follower:
        await follower.until(CaughtUp)
        for _ in range(20):
            await log.send("message")

        assert await follower.events(up_to=20) == list(range(1, 21))


async def test_a_closed_log_ends_with_its_state_and_goes_on_when_the_run_is_resumed(log, following):
    await log.write("run.created")
    await log.write("step.failed", "run.failed", closes=True)
    async with following(log) as follower:
        before, end = await follower.until(End)
        assert [type(item) for item in before] == [Opened, Event, Event, Event, CaughtUp]
        assert end == End(3, "failed")

        await log.send("run.resumed")
        assert await follower.events(up_to=4) == [4]
        await log.send("run.completed", closes=True)
        before, end = await follower.until(End)
        assert end == End(5, "completed")


async def test_the_end_is_told_when_the_last_hint_was_lost(log, following, limits):
    limits(HEARTBEAT_SECONDS=0.2)
    async with following(log) as follower:
        await follower.until(CaughtUp)
        await log.write("run.completed", closes=True)

        before, end = await follower.until(End)

        assert [item.seq for item in before if isinstance(item, Event)] == [1]
        assert end == End(1, "completed")


async def test_the_end_is_told_once_however_many_heartbeats_follow(log, following, limits):
    limits(HEARTBEAT_SECONDS=0.05)
    await log.write("run.completed", closes=True)
    async with following(log) as follower:
        await follower.until(End)
        for _ in range(5):
            assert (await follower.until(Head))[0] == []


async def test_rights_that_end_end_the_stream_at_the_next_heartbeat(log, following, limits, rights):
    limits(HEARTBEAT_SECONDS=0.1)
    async with following(log) as follower:
        await follower.until(Head)
        rights.seen = None

        await follower.until(Denied)

        assert await follower.ends()


async def test_a_foreign_run_and_an_absent_one_are_refused_alike(log, rights):
    with pytest.raises(Refused) as absent:
        await open_run(uuid4(), principal=None, access=rights)
    rights.seen = None
    with pytest.raises(Refused) as foreign:
        await open_run(log.run, principal=None, access=rights)

    assert foreign.value.problem() == absent.value.problem()


async def test_a_cursor_that_is_none_is_refused_with_a_sentence(log, rights):
    with pytest.raises(Refused, match="a cursor is a whole number") as refused:
        await open_run(log.run, principal=None, access=rights, cursors=["yesterday"])

    assert (refused.value.slug, refused.value.status) == ("validation-error", 400)


async def test_a_reader_is_shown_its_audience_only_and_its_head_is_what_it_can_see(
    log, following, rights, limits
):
    limits(HEARTBEAT_SECONDS=0.3)
    rights.seen = Seen(Audience.PUBLIC)
    await log.write("message")
    await log.write("attempt.started", audience=Audience.OPERATOR)
    async with following(log) as follower:
        before, _ = await follower.until(CaughtUp)
        assert before[0] == Opened(log.run, 0, 1, 1, False)
        assert [item.seq for item in before[1:]] == [1]

        await log.send("message")
        await log.send("attempt.completed", audience=Audience.OPERATOR)
        assert await follower.events(up_to=3) == [3]
        assert (await follower.until(Head))[1] == Head(3, 1)


async def test_events_of_a_type_that_is_withheld_are_not_shown_old_or_new(log, following, rights):
    rights.seen = Seen(Audience.OPERATOR, frozenset({"item.committed"}))
    await log.write("attempt.started", audience=Audience.OPERATOR)
    await log.write("item.committed")
    async with following(log) as follower:
        before, _ = await follower.until(CaughtUp)
        assert before[0] == Opened(log.run, 0, 1, 1, False)
        assert [item.seq for item in before[1:]] == [1]

        await log.send("item.committed", "message")
        assert await follower.events(up_to=4) == [4]


async def test_frames_are_shown_live_to_those_who_may_see_them(log, following, rights):
    rights.seen = Seen(Audience.MEMBER)
    async with following(log) as follower:
        await follower.until(CaughtUp)
        frames = [LiveFrame("operator", b"{}"), LiveFrame("public", b'{"type":"step.progress"}')]
        message = hints.frames_message(log.run, frames, max_bytes=1_000)
        await get_channel_layer().group_send(hints.group_of(log.run), message)

        assert await follower.next() == Frame(b'{"type":"step.progress"}')


def partial_item(rev: int, *, audience: str = "public") -> LiveFrame:
    return LiveFrame(audience, b'{"type":"item.partial","data":{"rev":%d}}' % rev)


async def tell_frames(log, *frames: LiveFrame) -> None:
    message = hints.frames_message(log.run, frames, max_bytes=60_000)
    await get_channel_layer().group_send(hints.group_of(log.run), message)


@pytest.fixture
def kept(monkeypatch) -> list[LiveFrame]:
    """What is kept for those who come in the middle."""
    frames: list[LiveFrame] = []
    monkeypatch.setattr(
        "streaming.gateway.latest.read_latest", lambda run: [(kept.audience, kept.body) for kept in frames]
    )
    return frames


async def test_who_comes_in_the_middle_is_sent_the_latest_frames_first(log, following, kept):
    kept.append(partial_item(7))
    async with following(log) as first:
        await first.until(CaughtUp)
        assert await first.next() == Frame(partial_item(7).body)
        kept[:] = [partial_item(8)]
        await tell_frames(log, partial_item(8))
        assert await first.next() == Frame(partial_item(8).body)  # not the kept one too
        async with following(log) as second:
            await second.until(CaughtUp)
            assert await second.next() == Frame(partial_item(8).body)


async def test_of_a_run_that_is_over_nothing_is_looked_for(log, following, kept):
    kept.append(partial_item(7))
    await log.write("run.completed", closes=True)
    async with following(log) as follower:
        await follower.until(End)
        await log.send("run.resumed")
        assert await follower.events(up_to=2) == [2]


async def test_who_was_too_slow_for_some_frames_is_sent_the_latest(log, following, kept):
    async with following(log) as follower:
        await follower.until(CaughtUp)
        kept.append(partial_item(40))
        await tell_frames(log, *(partial_item(rev) for rev in range(40)))
        async with asyncio.timeout(20):
            while (item := await follower.next()) != Frame(partial_item(40).body):
                assert item != Frame(partial_item(39).body)


async def test_half_written_items_are_for_those_who_may_see_items(log, following, rights, kept):
    rights.seen = Seen(Audience.MEMBER, frozenset({"item.partial"}))
    kept.append(partial_item(1))
    async with following(log) as follower:
        await follower.until(CaughtUp)
        await tell_frames(log, partial_item(2), LiveFrame("public", b'{"type":"step.progress"}'))
        assert await follower.next() == Frame(b'{"type":"step.progress"}')


async def test_an_older_look_at_the_head_proves_nothing_against_a_newer_page(log, rights, following):
    opening = await open_run(log.run, principal=None, access=rights)
    async with following(log) as first:
        await first.until(CaughtUp)  # its look at the head is kept
        await log.write("message")
        async with aclosing(follow(opening)) as items:
            second = Follower(items)
            before, _ = await second.until(CaughtUp)
            assert [item.seq for item in before if isinstance(item, Event)] == [1]
            await log.send("message")
            assert isinstance(await second.next(), Event)


async def test_a_hole_in_the_log_itself_is_named(log, following):
    await log.write("message", "message", "message")
    await read(lambda: log_module.Entry.objects.filter(stream=log.run, seq=2).delete())
    async with following(log, after=1) as follower:
        _, gap = await follower.until(Gap)

        assert gap == Gap(1, 3)
        assert await follower.events(up_to=3) == [3]


async def test_all_followers_of_a_run_share_one_feed_and_its_reads(log, following, limits, monkeypatch):
    limits(HEARTBEAT_SECONDS=0.5)
    tips = 0

    def count(run: Any) -> Any:
        nonlocal tips
        tips += 1
        return log_module.read_tip(run)

    monkeypatch.setattr(feed_module, "read_tip", count)
    everyone_is_live = asyncio.Barrier(51)

    async def one() -> list[int]:
        async with following(log) as follower:
            await follower.until(CaughtUp)
            await everyone_is_live.wait()
            return await follower.events(up_to=2)

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        tasks = [group.create_task(one()) for _ in range(50)]
        await everyone_is_live.wait()
        assert len(feeds()) == 1
        await log.send("run.started", "message")

    assert [task.result() for task in tasks] == [[1, 2]] * 50
    assert tips < 20


async def test_an_idle_stream_holds_no_database_connection(log, following, limits):
    limits(HEARTBEAT_SECONDS=0.1)
    async with following(log) as follower:
        await follower.until(Head)
        all_threads = threading.Barrier(conf().read_threads)

        def is_open() -> bool:
            all_threads.wait(timeout=20)
            return connections["default"].connection is not None

        loop = asyncio.get_running_loop()
        threads = [loop.run_in_executor(reads._threads(), is_open) for _ in range(all_threads.parties)]
        assert not any(await asyncio.gather(*threads))


@pytest.mark.parametrize("error", [DatabaseError, InterfaceError])
async def test_a_database_that_fails_for_a_moment_ends_no_stream(log, following, monkeypatch, error):
    monkeypatch.setattr("streaming.gateway.follow.RETRY_SECONDS", 0.01)
    failures = iter([True, True, False])

    def fail_twice(*args: Any, **kwargs: Any) -> Any:
        if next(failures, False):
            raise error("away")
        return log_module.read_page(*args, **kwargs)

    monkeypatch.setattr(feed_module, "read_page", fail_twice)
    await log.write("message")
    async with following(log) as follower:
        assert await follower.events(up_to=1) == [1]


async def test_a_drain_and_a_great_age_end_a_stream_politely(log, following):
    async with following(log, max_age_seconds=0.1) as follower:
        _, bye = await follower.until(Bye)
        assert 500 <= bye.retry_ms <= 5_000
        assert await follower.ends()

    async with following(log) as follower:
        await follower.until(CaughtUp)
        DRAIN.begin()
        await follower.until(Bye)
        assert await follower.ends()


class LayerAway(InMemoryChannelLayer):
    """Fails until it is back."""

    def __init__(self) -> None:
        super().__init__()
        self.is_away = True
        self.joined = asyncio.Event()

    async def new_channel(self, prefix: str = "specific.") -> str:
        if self.is_away:
            raise ConnectionError("away")
        return await super().new_channel(prefix)

    async def group_add(self, group: str, channel: str) -> None:
        await super().group_add(group, channel)
        self.joined.set()


async def test_without_a_layer_the_log_is_still_followed_and_hints_are_used_again_later(
    log, following, limits, monkeypatch
):
    limits(HEARTBEAT_SECONDS=60)
    monkeypatch.setattr(feed_module, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(feed_module, "RETRY_SECONDS", 0.05)
    away = LayerAway()
    channel_layers.set("default", away)
    async with following(log) as follower:
        await follower.until(CaughtUp)
        await log.write("message")
        assert await follower.events(up_to=1) == [1]

        away.is_away = False
        async with asyncio.timeout(20):
            await away.joined.wait()
        await log.send("message")
        assert await follower.events(up_to=2) == [2]


async def test_a_layer_that_hangs_delays_a_reader_only_a_moment(log, following, limits, monkeypatch):
    limits(HEARTBEAT_SECONDS=60)
    monkeypatch.setattr(feed_module, "JOIN_TIMEOUT_SECONDS", 0.1)
    monkeypatch.setattr(feed_module, "POLL_SECONDS", 0.05)

    class Frozen(InMemoryChannelLayer):
        async def group_add(self, group: str, channel: str) -> None:
            await asyncio.Event().wait()

    channel_layers.set("default", Frozen())
    await log.write("message")
    async with following(log) as follower:
        assert await follower.events(up_to=1) == [1]
        await log.write("message")
        assert await follower.events(up_to=2) == [2]


async def test_what_is_no_hint_stops_nobody(log, following, monkeypatch):
    monkeypatch.setattr(feed_module, "RETRY_SECONDS", 0.01)
    async with following(log) as follower:
        await follower.until(CaughtUp)
        await get_channel_layer().group_send(hints.group_of(log.run), {"type": "junk"})
        await log.send("message")

        assert await follower.events(up_to=1) == [1]


@pytest.mark.parametrize("work", ["_receive", "_look"])
async def test_work_of_a_feed_that_fails_is_logged_and_begun_again(
    log, following, limits, layer, monkeypatch, caplog, work
):
    limits(HEARTBEAT_SECONDS=60)
    monkeypatch.setattr(feed_module, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(feed_module, "RETRY_SECONDS", 0.02)
    original, failures = getattr(RunFeed, work), iter([True])

    async def fail_once(*args: Any) -> Any:
        if next(failures, False):
            raise InterfaceError("away")
        return await original(*args)

    monkeypatch.setattr(RunFeed, work, fail_once)
    async with following(log) as follower:
        await follower.until(CaughtUp)
        feeds()._feeds[log.run]._is_deaf.set()
        await log.write("message")
        assert await follower.events(up_to=1) == [1]
        await log.send("message")
        assert await follower.events(up_to=2) == [2]
    await feeds().closed()

    assert [record.message for record in caplog.records].count("feed failed") == 1
    assert layer.groups == {}


async def test_the_feed_leaves_its_group_with_the_last_follower(log, following, layer):
    async with following(log) as first:
        await first.until(CaughtUp)
        async with following(log) as second:
            await second.until(CaughtUp)
            assert [len(channels) for channels in layer.groups.values()] == [1]
        assert len(layer.groups) == 1
    await feeds().closed()

    assert layer.groups == {}
