import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest
import websockets
from channels.layers import channel_layers

from streaming.gateway import DRAIN
from streaming.gateway.feed import RunFeed
from streaming.gateway.websocket import SUBPROTOCOL
from tests.integration.streaming.gateway import served
from tests.integration.streaming.gateway.served import serving

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls("tests.integration.streaming.gateway.served"),
]


@pytest.fixture(autouse=True)
def _private_layer(settings) -> None:
    channel_layers.backends.clear()
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if not name.startswith("whitenoise.")]


async def test_websockets_follows_is_sent_away_and_comes_back_with_its_cursor(log, rights):
    await log.write("run.created")
    seen: list[int] = []
    async with serving(rights) as host, asyncio.timeout(20):
        async with websockets.connect(f"ws://{host}/ws/v1", subprotocols=[SUBPROTOCOL]) as socket:
            await socket.send(json.dumps({"type": "subscribe", "run": str(log.run), "after": 0}))
            await log.send("message")
            while len(seen) < 2:
                frame = json.loads(await socket.recv())
                if frame["type"] == "event":
                    seen.append(frame["event"]["seq"])
            DRAIN.begin()
            rest = [json.loads(text) async for text in until_closed(socket)]
            assert rest[-1]["type"] == "bye"
            assert socket.close_code == 1012

        DRAIN.has_begun = False
        await log.write("message")
        async with websockets.connect(f"ws://{host}/ws/v1", subprotocols=[SUBPROTOCOL]) as socket:
            await socket.send(json.dumps({"type": "subscribe", "run": str(log.run), "after": seen[-1]}))
            while len(seen) < 3:
                frame = json.loads(await socket.recv())
                if frame["type"] == "event":
                    seen.append(frame["event"]["seq"])
    assert seen == [1, 2, 3]


async def until_closed(socket: websockets.ClientConnection) -> AsyncIterator[str | bytes]:
    try:
        while True:
            yield await socket.recv()
    except websockets.ConnectionClosed:
        return


async def test_a_client_sees_why_it_was_refused(rights, log):
    async with (
        asyncio.timeout(20),
        serving(rights, signed_in=False) as host,
        websockets.connect(f"ws://{host}/ws/v1", subprotocols=[SUBPROTOCOL]) as socket,
    ):
        assert [text async for text in until_closed(socket)] == []
        assert socket.close_code == 4401


async def test_an_event_stream_is_live_over_http_and_holds_no_connection_of_its_request(rights, log):
    async with (
        asyncio.timeout(20),
        serving(rights) as host,
        httpx.AsyncClient(base_url=f"http://{host}") as client,
        client.stream("GET", f"/runs/{log.run}/events", headers={"Accept": "text/event-stream"}) as response,
    ):
        lines = response.aiter_lines()
        assert await anext(lines) == "retry: 2000"
        assert served.request_connections[-1].connection is None
        while "caught_up" not in await anext(lines):
            pass
        await log.send("message")
        assert [await anext(lines) for _ in range(2)] == ["", "id: 1"]
        DRAIN.begin()
        rest = [line async for line in lines]
    assert any('"type":"bye"' in line for line in rest)


async def test_a_refusal_is_an_http_answer_and_no_stream(rights, log):
    rights.seen = None
    async with serving(rights) as host, httpx.AsyncClient(base_url=f"http://{host}") as client:
        for accept in ("application/json", "text/event-stream", "application/x-ndjson"):
            response = await client.get(f"/runs/{log.run}/events", headers={"Accept": accept})
            assert (response.status_code, response.json()["code"]) == (404, "not-found")


async def test_a_client_that_goes_away_is_noticed(rights, log, limits, monkeypatch):
    limits(HEARTBEAT_SECONDS=0.1)
    has_closed = asyncio.Event()
    close = RunFeed.close
    monkeypatch.setattr(RunFeed, "close", lambda feed: has_closed.set() or close(feed))
    async with asyncio.timeout(20), serving(rights) as host:
        async with (
            httpx.AsyncClient(base_url=f"http://{host}") as client,
            client.stream("GET", f"/runs/{log.run}/events?follow=1&format=ndjson") as response,
        ):
            assert '"hb"' in await anext(response.aiter_lines())
        await has_closed.wait()
