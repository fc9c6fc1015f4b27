"""From commit to client over the real pieces: outbox, relay, Redis, fan-out, pub/sub layer, follow."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
import redis
from channels.layers import get_channel_layer

from config.ports import free_port
from config.redis_server import running_redis
from outbox.clock import CLOCK
from outbox.frames import Latest, send_frame
from outbox.models import Audience
from outbox.nudge import breaker
from outbox.publisher import RedisPublisher
from outbox.redis import client
from outbox.relay import drain
from streaming import fanout
from streaming.fanout import FanOut
from streaming.gateway import feed as feed_module
from streaming.gateway.followed import CaughtUp, End, Event, Frame
from streaming.gateway.reads import read
from streaming.hints import group_of, parse_hint

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def layered(redis_client, settings) -> None:
    use_layer(settings)


def use_layer(settings: Any) -> None:
    backend = "channels_redis.pubsub.RedisPubSubChannelLayer"
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": backend, "CONFIG": {"hosts": [settings.REDIS_URL]}}}


@asynccontextmanager
async def fanning_out() -> AsyncIterator[None]:
    fan_out = FanOut(get_channel_layer())
    task = asyncio.create_task(fan_out.run())
    try:
        yield
        assert not task.done()
    finally:
        fan_out.stop()
        task.cancel()
        await asyncio.wait([task])


async def relay() -> None:
    await read(lambda: drain(RedisPublisher(client()), clock=CLOCK))


async def test_a_committed_event_reaches_the_client_without_a_read_of_the_log(
    layered, log, following, monkeypatch
):
    async with fanning_out(), following(log) as follower:
        await follower.until(CaughtUp)
        monkeypatch.setattr(feed_module, "read_page", _refuse)
        for head in range(1, 6):
            await log.write("message")
            await relay()
            assert await follower.events(up_to=head) == [head]


def _refuse(*args: Any, **kwargs: Any) -> None:
    raise AssertionError("the log was read")


async def test_frames_reach_the_client(layered, log, following):
    async with fanning_out(), following(log) as follower:
        await follower.until(CaughtUp)
        frame = {"type": "step.progress", "data": {"done": 1}}
        await asyncio.to_thread(send_frame, log.run, frame, audience=Audience.PUBLIC, max_entries=100)

        assert await follower.next() == Frame(b'{"data":{"done":1},"type":"step.progress"}')


async def test_who_comes_in_the_middle_is_sent_what_is_kept_and_then_the_news(layered, log, following):
    def send(rev: int) -> bool:
        whole = {"type": "item.partial", "data": {"rev": rev, "ops": [["set", "", "x" * rev]]}}
        news = {"type": "item.partial", "data": {"rev": rev, "ops": [["append", "", "x"]]}}
        latest = Latest(name="write", frame=whole, ttl_seconds=60)
        return send_frame(log.run, news, audience=Audience.PUBLIC, max_entries=100, latest=latest)

    for rev in (1, 2, 3):
        assert await asyncio.to_thread(send, rev)
    async with fanning_out():
        await asyncio.sleep(0.5)  # the frames before are handed out by now, to nobody
        async with following(log) as follower:
            await follower.until(CaughtUp)
            assert b'["set","","xxx"]' in (await follower.next()).body
            assert await asyncio.to_thread(send, 4)
            assert b'["append","","x"]' in (await follower.next()).body


async def test_two_fan_outs_and_a_flushed_redis_cost_no_event_and_no_double(
    layered, log, following, redis_client
):
    async with fanning_out(), fanning_out(), following(log) as follower:
        await follower.until(CaughtUp)
        for number in range(30):
            await log.write("message", "message")
            await relay()
            if number % 10 == 5:
                redis_client.flushall()
        await log.write("run.completed", closes=True)
        await relay()

        before, end = await follower.until(End)

    assert [item.seq for item in before if isinstance(item, Event)] == list(range(1, 62))
    assert end == End(61, "completed")


async def test_redis_may_go_and_come_back_under_a_client(
    log, following, limits, settings, tmp_path, monkeypatch
):
    limits(HEARTBEAT_SECONDS=0.3)
    monkeypatch.setattr(fanout, "RETRY_SECONDS", 0.01)
    port = free_port()
    settings.REDIS_URL = f"redis://:private@127.0.0.1:{port}/0"
    use_layer(settings)
    client.cache_clear()
    breaker.reset()
    stack = AsyncExitStack()
    try:
        with running_redis(tmp_path, port=port):
            await log.write("message")
            await stack.enter_async_context(fanning_out())
            follower = await stack.enter_async_context(following(log))
            assert await follower.events(up_to=1) == [1]
        await log.write("message")  # Redis is away: the database is asked
        assert await follower.events(up_to=2) == [2]
        with running_redis(tmp_path, port=port):
            client().close()
            await log.write("message", "message")
            await relay()
            assert await follower.events(up_to=4) == [3, 4]
            await _hears_by_the_layer_again(log, monkeypatch)
            await stack.aclose()
    finally:
        client.cache_clear()


async def _hears_by_the_layer_again(log: Any, monkeypatch: Any) -> None:
    """Send hints until one arrives: the layer takes a second to find that its server is back."""
    layer = get_channel_layer()
    hint = await log.hint(1, 1)
    has_heard = asyncio.Event()
    monkeypatch.setattr(feed_module, "parse_hint", lambda message: has_heard.set() or parse_hint(message))
    async with asyncio.timeout(20):
        while not has_heard.is_set():
            try:
                await layer.group_send(group_of(log.run), hint)
            except redis.RedisError:
                continue
            await asyncio.wait([asyncio.create_task(has_heard.wait())], timeout=0.05)
