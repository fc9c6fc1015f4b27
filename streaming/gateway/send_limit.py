"""Who stops reading a stream is cut. Nothing else would end it: while the server waits to send, neither the stream's
age nor the reader's rights are looked at.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from streaming.conf import conf
from streaming.gateway import ndjson, sse

logger = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

STREAMS = tuple(name.encode() for name in (sse.CONTENT_TYPE, ndjson.CONTENT_TYPE))


class SendLimit:
    """An ASGI application around another one: each send of a stream's body takes `send_timeout_seconds` at most.

    A piece is at most 64 kB (Django cuts them), so a slow reader that does read has that long for each.
    """

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            send = _limited(send, path=scope.get("path", ""))
        await self._application(scope, receive, send)


def _limited(send: Send, *, path: str) -> Send:
    is_stream = False

    async def send_limited(message: Message) -> None:
        nonlocal is_stream
        if message["type"] == "http.response.start":
            is_stream = _is_stream(message)
        try:
            async with asyncio.timeout(conf().send_timeout_seconds if is_stream else None):
                await send(message)
        except TimeoutError:
            logger.info("stream cut, nothing was read for too long", extra={"path": path})
            # Like a client that leaves: the server says `http.disconnect`, and Django ends the answer wherever it
            # waits. An error raised here instead would leave the stream open until it is collected as garbage.
            if not _drop(send):
                raise OSError("nothing was read for too long") from None

    return send_limited


def _is_stream(start: Message) -> bool:
    headers = {bytes(name).lower(): bytes(value) for name, value in start.get("headers", ())}
    return headers.get(b"content-type", b"").startswith(STREAMS)


def _drop(send: Send) -> bool:
    """Let go of the connection at once: to close it politely, the server would wait until all was read.

    False where the server shows no transport.
    """
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is None:
        return False
    transport.abort()
    return True
