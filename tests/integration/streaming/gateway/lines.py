"""Streams and sockets through the whole application, as `config/asgi.py` builds it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from asgiref.testing import ApplicationCommunicator

from tests.integration.streaming.gateway.conftest import DEADLINE_SECONDS

SSE = "text/event-stream"
NDJSON = "application/x-ndjson"
Header = tuple[bytes, bytes]


class Line:
    """An answer over HTTP as it comes. status: once it has begun; said: all of it so far."""

    def __init__(self, application: Any, address: str, *headers: Header, accept: str = SSE) -> None:
        path, _, query = address.partition("?")
        scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "query_string": query.encode(),
            "headers": [(b"host", b"localhost"), (b"accept", accept.encode()), *headers],
        }
        self._line = ApplicationCommunicator(application, scope)
        self.said, self.status, self.headers = "", 0, {}

    async def begin(self) -> int:
        await self._line.send_input({"type": "http.request"})
        start = await self._line.receive_output(DEADLINE_SECONDS)
        self.headers = {name.decode().lower(): value.decode() for name, value in start["headers"]}
        self.status = start["status"]
        return self.status

    async def until(self, words: str) -> str:
        """What is said from now on up to the first piece with `words`."""
        said = ""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while words not in said:
                said += (await self._line.receive_output(DEADLINE_SECONDS)).get("body", b"").decode()
        self.said += said
        return said

    async def end(self) -> str:
        async with asyncio.timeout(DEADLINE_SECONDS):
            more = True
            while more:
                piece = await self._line.receive_output(DEADLINE_SECONDS)
                self.said += piece.get("body", b"").decode()
                more = piece.get("more_body", False)
        return self.said

    async def leave(self) -> None:
        await self._line.send_input({"type": "http.disconnect"})
        await self._line.wait(DEADLINE_SECONDS)


@asynccontextmanager
async def line(application: Any, address: str, *headers: Header, accept: str = SSE) -> AsyncIterator[Line]:
    """A stream that has begun."""
    opened = Line(application, address, *headers, accept=accept)
    try:
        await opened.begin()
        yield opened
    finally:
        await opened.leave()


class Socket:
    """A client at `/ws/v1`. was_let_in: whether the handshake was taken."""

    def __init__(self, application: Any, *headers: Header, query: str = "") -> None:
        scope = {
            "type": "websocket",
            "path": "/ws/v1",
            "query_string": query.encode(),
            "headers": [(b"host", b"localhost"), *headers],
        }
        self._socket = ApplicationCommunicator(application, scope)
        self.was_let_in = False

    async def connect(self) -> None:
        await self._socket.send_input({"type": "websocket.connect"})
        first = await self._socket.receive_output(DEADLINE_SECONDS)
        self.was_let_in = first["type"] == "websocket.accept"

    async def follow(self, run: UUID) -> None:
        await self.say({"type": "subscribe", "run": str(run)})

    async def say(self, frame: Any) -> None:
        await self._socket.send_input({"type": "websocket.receive", "text": json.dumps(frame)})

    async def until(self, *types: str) -> dict[str, Any]:
        """The next frame of one of these types; a close is one of type `close`."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                output = await self._socket.receive_output(DEADLINE_SECONDS)
                if output["type"] == "websocket.close":
                    frame: dict[str, Any] = {"type": "close", "code": output["code"]}
                else:
                    frame = json.loads(output["text"])
                if frame["type"] in types:
                    return frame

    async def leave(self) -> None:
        if not self._socket.future.done():
            await self._socket.send_input({"type": "websocket.disconnect", "code": 1001})
        await self._socket.wait(DEADLINE_SECONDS)


@asynccontextmanager
async def socket(application: Any, *headers: Header, query: str = "") -> AsyncIterator[Socket]:
    opened = Socket(application, *headers, query=query)
    try:
        await opened.connect()
        yield opened
    finally:
        await opened.leave()
