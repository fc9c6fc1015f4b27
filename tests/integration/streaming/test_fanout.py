import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

from config.ports import free_port
from config.redis_server import running_redis
from outbox import wire
from outbox.publisher import Batch, RedisPublisher
from outbox.redis import client as redis_client_of
from streaming import fanout
from streaming.fanout import FanOut
from streaming.hints import group_of

RUN = UUID("0198c2f0-0000-7000-8000-000000000001")


class Heard:
    """A channel layer that keeps what it is told."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()
        self.failures = 0

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        if self.failures:
            self.failures -= 1
            raise ConnectionError("away")
        await self.messages.put((group, message))

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(20):
            return (await self.messages.get())[1]

    async def seqs(self, *, up_to: int) -> list[int]:
        seqs: list[int] = []
        while not seqs or seqs[-1] < up_to:
            seqs += [seq for seq, _, _ in (await self.next())["events"]]
        return seqs


@asynccontextmanager
async def fanning_out(layer: Any, *, places: dict[str, str] | None = None) -> AsyncIterator[None]:
    fan_out = FanOut(layer)
    fan_out._places = places or {}
    task = asyncio.create_task(fan_out.run())
    try:
        yield
        assert not task.done()
    finally:
        fan_out.stop()
        task.cancel()
        await asyncio.wait([task])


def publish(client: Any, first: int, last: int, *, run: UUID = RUN, size: int = 1) -> None:
    entries = [("public", wire.encode({"seq": seq, "text": "ü" * size})) for seq in range(first, last + 1)]
    shard = wire.shard_of(run)
    batch = Batch(key=run, shard=shard, epoch=1, base=first - 1, first=first, entries=entries, closes=False)
    RedisPublisher(client).publish([batch])


async def test_what_is_in_the_firehose_and_what_comes_is_told_to_the_groups_of_its_runs(redis_client):
    other = next(run for run in iter(uuid4, None) if wire.shard_of(run) != wire.shard_of(RUN))
    publish(redis_client, 1, 2)
    layer = Heard()
    async with fanning_out(layer):
        group, message = await layer.messages.get()
        assert group == group_of(RUN)
        assert {name: message[name] for name in ("type", "run", "epoch", "first", "last", "head")} == {
            "type": "run.events",
            "run": str(RUN),
            "epoch": 1,
            "first": 1,
            "last": 2,
            "head": 2,
        }
        assert message["events"][0] == [1, "public", '{"seq":1,"text":"ü"}']

        publish(redis_client, 1, 1, run=other)
        assert (await layer.next())["run"] == str(other)


async def test_frames_travel_beside_events(redis_client):
    fields = {"run": str(RUN), "aud": "member", "e": b'{"type":"step.progress"}'}
    redis_client.xadd(wire.frames(wire.shard_of(RUN)), fields)
    layer = Heard()
    async with fanning_out(layer):
        message = await layer.next()

    assert message == {
        "type": "run.frames",
        "run": str(RUN),
        "frames": [["member", '{"type":"step.progress"}']],
    }


async def test_a_tombstone_is_told_without_events_and_its_place_is_not_lost(redis_client):
    firehose = wire.firehose(wire.shard_of(RUN))
    for seq, field in ((1, "e"), (2, "stub"), (3, "e"), (4, "stub")):
        fields = {"run": str(RUN), "seq": str(seq), "epoch": "7", "aud": "public", field: b"{}"}
        redis_client.xadd(firehose, fields)
    layer = Heard()
    async with fanning_out(layer):
        message = await layer.next()

    assert {name: message[name] for name in ("epoch", "first", "last", "head", "events")} == {
        "epoch": 7,
        "first": 1,
        "last": 4,
        "head": 4,
        "events": [],
    }


async def test_a_batch_that_is_too_large_for_the_layer_is_told_without_its_events(redis_client, settings):
    settings.LONGHAUL = {**settings.LONGHAUL, "HINT_MAX_BYTES": "100"}
    publish(redis_client, 1, 3, size=40)
    layer = Heard()
    async with fanning_out(layer):
        message = await layer.next()

    assert (message["first"], message["last"], message["events"]) == (1, 3, [])


async def test_what_the_layer_did_not_take_is_told_again(redis_client, monkeypatch):
    monkeypatch.setattr(fanout, "RETRY_SECONDS", 0.01)
    publish(redis_client, 1, 3)
    layer = Heard()
    layer.failures = 2
    async with fanning_out(layer):
        assert await layer.seqs(up_to=3) == [1, 2, 3]


async def test_a_layer_that_hangs_is_given_up_and_tried_again(redis_client, monkeypatch):
    monkeypatch.setattr(fanout, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(fanout, "SEND_TIMEOUT_SECONDS", 0.05)

    class HangsOnce(Heard):
        has_hung = False

        async def group_send(self, group: str, message: dict[str, Any]) -> None:
            if not self.has_hung:
                self.has_hung = True
                await asyncio.Event().wait()
            await super().group_send(group, message)

    publish(redis_client, 1, 1)
    layer = HangsOnce()
    async with fanning_out(layer):
        assert await layer.seqs(up_to=1) == [1]


async def test_what_is_not_ours_in_a_stream_stops_nobody(redis_client):
    shard = wire.shard_of(RUN)
    redis_client.xadd(wire.firehose(shard), {"run": "nobody", "seq": "1"})
    redis_client.xadd(
        wire.firehose(shard), {"run": str(RUN), "seq": "7", "epoch": "1", "aud": "public", "e": b"\xff"}
    )
    redis_client.xadd(wire.frames(shard), {"run": str(RUN)})
    publish(redis_client, 1, 1)
    layer = Heard()
    async with fanning_out(layer):
        assert (await layer.seqs(up_to=1))[-1] == 1


async def test_a_flushed_redis_is_read_on(redis_client):
    publish(redis_client, 1, 1)
    layer = Heard()
    async with fanning_out(layer):
        await layer.seqs(up_to=1)
        redis_client.flushall()
        publish(redis_client, 2, 2)

        assert await layer.seqs(up_to=2) == [2]


async def test_a_redis_that_went_away_is_waited_for(tmp_path, settings, monkeypatch):
    monkeypatch.setattr(fanout, "RETRY_SECONDS", 0.01)
    port = free_port()
    settings.REDIS_URL = f"redis://:private@127.0.0.1:{port}/0"
    redis_client_of.cache_clear()
    layer = Heard()
    try:
        async with fanning_out(layer):
            for first in (1, 3):
                with running_redis(tmp_path, port=port):
                    publish(redis_client_of(), first, first + 1)
                    assert await layer.seqs(up_to=first + 1) == [first, first + 1]
                    redis_client_of().close()
    finally:
        redis_client_of.cache_clear()


async def test_a_place_ahead_of_redis_clock_is_given_up(redis_client):
    """Another Redis took over, and its clock is behind: waiting at the old place would hear nothing for long."""
    publish(redis_client, 1, 1)
    in_an_hour = f"{int(time.time() + 3_600) * 1_000}-0"
    layer = Heard()
    async with fanning_out(layer, places={wire.firehose(wire.shard_of(RUN)): in_an_hour}):
        assert await layer.seqs(up_to=1) == [1]


async def test_it_can_be_stopped_at_any_moment(redis_client):
    for delay in range(60):
        fan_out = FanOut(Heard())
        task = asyncio.create_task(fan_out.run())
        await asyncio.wait([task], timeout=delay / 20_000)
        fan_out.stop()
        task.cancel()
        async with asyncio.timeout(10):
            await asyncio.wait([task])


def test_the_command_ends_in_order_at_sigterm(redis_server, tmp_path):
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "LONGHAUL_DATA_DIR": str(tmp_path),
    }
    process = subprocess.Popen(
        [sys.executable, "manage.py", "fanout"], env=environment, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    with process:
        while "fan-out started" not in (line := process.stderr.readline()):
            assert line, "it ended before it started"
        process.send_signal(signal.SIGTERM)
        assert "fan-out stopped" in process.stderr.read()
        assert process.wait(timeout=10) == 0
