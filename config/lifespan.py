"""The web process's start and end. At SIGTERM its long streams are told first, so that they say good-bye themselves.

uvicorn waits for open answers before it ends its lifespan, and a stream has no end of its own: without a word at
the signal itself each restart would cost the whole graceful time-out, and cut every stream without a message.
"""

import asyncio
import signal
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from types import FrameType
from typing import Any

Message = MutableMapping[str, Any]
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Lifespan:
    """An ASGI application for the lifespan scope.

    drain: called once, in the event loop, at the first signal. flush: at the end, in a thread; it may block a little.
    """

    def __init__(self, drain: Callable[[], None], *, flush: Callable[[], None]) -> None:
        self._drain = drain
        self._flush = flush

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._listen(asyncio.get_running_loop())
                await send({"type": "lifespan.startup.complete"})
            else:
                await asyncio.to_thread(
                    self._flush
                )  # the server ends itself by the signal: no exit function runs
                await send({"type": "lifespan.shutdown.complete"})
                return

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        if threading.current_thread() is not threading.main_thread():
            return  # a server inside a test: signals are not its own
        for number in STOP_SIGNALS:
            signal.signal(number, self._before(signal.getsignal(number), loop))

    def _before(
        self, server_handler: Any, loop: asyncio.AbstractEventLoop
    ) -> Callable[[int, FrameType | None], None]:
        def tell_streams_then_server(number: int, frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(self._drain)
            if callable(server_handler):
                server_handler(number, frame)

        return tell_streams_then_server
