import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import httpx
import pytest
import websockets
from channels.layers import channel_layers

from streaming.conf import conf
from streaming.gateway import DRAIN
from streaming.gateway.feed import RunFeed
from streaming.gateway.feeds import feeds
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


async def test_websockets_follows_is_sent_away_and_comes_back_with_its_cursor(log, rights):
    await log.write("run.created")
    seen: list[int] = []
    async with serving(rights) as host, asyncio.timeout(20):
        async with websockets.connect(f"ws://{host}/ws/v1", subprotocols=[SUBPROTOCOL]) as line:
            await line.send(json.dumps({"type": "subscribe", "run": str(log.run), "after": 0}))
            await log.send("message")
            while len(seen) < 2:
                frame = json.loads(await line.recv())
                if frame["type"] == "event":
                    seen.append(frame["event"]["seq"])
            DRAIN.begin()
            rest = [json.loads(text) async for text in until_closed(line)]
            assert rest[-1]["type"] == "bye"
            assert line.close_code == 1012

        DRAIN.has_begun = False
        await log.write("message")
        async with websockets.connect(f"ws://{host}/ws/v1", subprotocols=[SUBPROTOCOL]) as line:
            await line.send(json.dumps({"type": "subscribe", "run": str(log.run), "after": seen[-1]}))
            while len(seen) < 3:
                frame = json.loads(await line.recv())
                if frame["type"] == "event":
                    seen.append(frame["event"]["seq"])
    assert seen == [1, 2, 3]


async def until_closed(line: websockets.ClientConnection) -> AsyncIterator[str | bytes]:
    try:
        while True:
            yield await line.recv()
    except websockets.ConnectionClosed:
        return


async def test_a_client_sees_why_it_was_refused(rights, log):
    async with (
        asyncio.timeout(20),
        serving(rights, signed_in=False) as host,
        websockets.connect(f"ws://{host}/ws/v1", subprotocols=[SUBPROTOCOL]) as line,
    ):
        assert [text async for text in until_closed(line)] == []
        assert line.close_code == 4401


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


async def test_open_streams_hold_no_thread_of_their_own(rights, log):
    before, open_lines = threading.active_count(), []
    async with (
        asyncio.timeout(20),
        serving(rights) as host,
        httpx.AsyncClient(base_url=f"http://{host}", limits=httpx.Limits(max_connections=None)) as client,
        AsyncExitStack() as open_streams,
    ):
        for _ in range(20):
            response = await open_streams.enter_async_context(
                client.stream("GET", f"/runs/{log.run}/events", headers={"Accept": "text/event-stream"})
            )
            open_lines.append(response.aiter_lines())  # one that nobody holds would close its stream
            while "caught_up" not in await anext(open_lines[-1]):
                pass
        (feed,) = feeds()._feeds.values()
        assert len(feed._mailboxes) == 20
        assert threading.active_count() - before <= conf().read_threads + 2
        DRAIN.begin()


@asynccontextmanager
async def slow_line(host: str, path: str, *, accept: str) -> AsyncIterator[asyncio.StreamReader]:
    """A stream over a connection with small buffers: what is not read is soon not sent either."""
    name, _, port = host.partition(":")
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    line.setblocking(False)
    await asyncio.get_running_loop().sock_connect(line, (name, int(port)))
    reader, writer = await asyncio.open_connection(sock=line, limit=1_024)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: {accept}\r\n\r\n".encode())
    try:
        yield reader
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@pytest.mark.parametrize("accept", ["text/event-stream", "application/x-ndjson"])
async def test_a_client_that_reads_nothing_is_cut(rights, log, limits, monkeypatch, accept):
    limits(SEND_TIMEOUT_SECONDS=0.3, MAX_PAYLOAD_BYTES=2_000_000, FOLLOW_PAGE_EVENTS=5)
    await log.write(*["message"] * 30, size=1_000_000)
    has_closed = asyncio.Event()
    close = RunFeed.close
    monkeypatch.setattr(RunFeed, "close", lambda feed: has_closed.set() or close(feed))
    async with (
        asyncio.timeout(20),
        serving(rights) as host,
        slow_line(host, f"/runs/{log.run}/events?follow=1", accept=accept) as reader,
    ):
        await has_closed.wait()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(30_000_000)


async def test_a_slow_client_that_reads_is_not_cut(rights, log, limits):
    limits(SEND_TIMEOUT_SECONDS=0.5, MAX_PAYLOAD_BYTES=2_000_000, FOLLOW_PAGE_EVENTS=5)
    await log.write(*["message"] * 20, size=500_000)
    got, loop = 0, asyncio.get_running_loop()
    async with (
        asyncio.timeout(30),
        serving(rights) as host,
        slow_line(host, f"/runs/{log.run}/events", accept="text/event-stream") as reader,
    ):
        started = loop.time()
        while got < 10_000_000:
            got += len(await reader.readexactly(500_000))
            # A pace, and no wait for something: in all longer than the limit, each time shorter.
            await asyncio.sleep(0.1)
        assert loop.time() - started > 0.5
        DRAIN.begin()
