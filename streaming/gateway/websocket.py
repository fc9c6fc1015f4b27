"""`/ws/v1`: any number of runs on one socket. Framing and manners; what comes in which order is `follow`'s.

A plain ASGI application and no Channels consumer: a consumer would subscribe a channel of its own for each socket,
and could not be opened while Redis is away.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import aclosing, suppress
from typing import Any
from uuid import UUID

from django.db import Error

from outbox import wire
from streaming.conf import conf
from streaming.gateway import closing
from streaming.gateway.access import Access
from streaming.gateway.client_frames import BadFrame, Ping, Subscribe, Unsubscribe, parse_frame
from streaming.gateway.closing import Close
from streaming.gateway.connections import CONNECTIONS
from streaming.gateway.drain import DRAIN, return_ms
from streaming.gateway.errors import Refused, not_found
from streaming.gateway.follow import follow
from streaming.gateway.followed import Bye, Denied, Event, Followed, Frame, Opened, control
from streaming.gateway.opening import Opening, open_run

logger = logging.getLogger(__name__)

SUBPROTOCOL = "runs.v1.json"
# Heartbeats without a word from a client that follows nothing, or with nothing read by one that does.
SILENT_HEARTBEATS = 2.5
CLOSE_TIMEOUT_SECONDS = 5.0

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Scope = MutableMapping[str, Any]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Identify = Callable[[Scope], Any | None]


class RunSocket:
    """One connection. identify: makes the principal, for `access`, of an authenticated scope; None: nobody."""

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, *, access: Access, identify: Identify
    ) -> None:
        self._scope, self._receive, self._asgi_send = scope, receive, send
        self._principal = identify(scope)
        self._access = access
        self._subscriptions: dict[UUID, asyncio.Task[None]] = {}
        self._sending = asyncio.Lock()
        self._loop = asyncio.get_running_loop()
        self._end: asyncio.Future[Close | None] = self._loop.create_future()  # None: the client left
        self._patience_seconds = SILENT_HEARTBEATS * conf().heartbeat_seconds
        self._heard_at = self._loop.time()

    @classmethod
    def as_asgi(cls, *, access: Access, identify: Identify) -> Application:
        """The application for the route of the socket."""

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            await cls(scope, receive, send, access=access, identify=identify).serve()

        return application

    async def serve(self) -> None:
        """From the handshake to the end, whoever ends it."""
        await self._receive()  # websocket.connect
        offered = self._scope.get("subprotocols") or ()
        chosen = SUBPROTOCOL if SUBPROTOCOL in offered else None
        await self._asgi_send({"type": "websocket.accept", "subprotocol": chosen})
        if refusal := self._refusal(offered):
            # Accepted first: a browser shows its page no code of a handshake that failed.
            await self._close(refusal)
            return
        with (
            CONNECTIONS.held(self._principal),
            DRAIN.listening(lambda: self._finish(Close(closing.RESTART, "the server restarts"))),
        ):
            watch = self._loop.create_task(self._watch())
            reading = self._loop.create_task(self._read())
            reading.add_done_callback(self._on_done)
            try:
                end = await self._end
            finally:
                await self._stop([watch, reading, *self._subscriptions.values()])
        if end is not None:
            await self._close(end)

    def _refusal(self, offered: Any) -> Close | None:
        if offered and SUBPROTOCOL not in offered:
            return Close(closing.BAD_FRAME, f"speak {SUBPROTOCOL}")
        if self._principal is None:
            return Close(closing.NOT_SIGNED_IN, "sign in first")
        if not CONNECTIONS.has_room(self._principal):
            return Close(closing.TOO_OFTEN, f"at most {conf().connections_max} connections at a time")
        return None

    async def _close(self, end: Close) -> None:
        extra = {"code": end.code, "reason": end.reason, "runs": len(self._subscriptions)}
        logger.info("socket closed", extra=extra)
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_SECONDS):
                if end.code == closing.RESTART:
                    bye = _text(control(Bye(return_ms())))
                    await self._asgi_send({"type": "websocket.send", "text": bye})
                await self._asgi_send({"type": "websocket.close", "code": end.code, "reason": end.reason})

    def _finish(self, end: Close | None) -> None:
        if not self._end.done():
            self._end.set_result(end)

    def _on_done(self, task: "asyncio.Task[None]") -> None:
        """No task of a socket may fail in silence."""
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("socket failed", exc_info=error)
            self._finish(Close(closing.FAILED, "something went wrong here"))

    async def _stop(self, tasks: "list[asyncio.Task[None]]") -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # What the client says

    async def _read(self) -> None:
        limits = conf()
        hello = {
            "type": "hello",
            "hb_ms": round(limits.heartbeat_seconds * 1_000),
            "limits": {
                "subscriptions": limits.ws_max_subscriptions,
                "frame_bytes": limits.ws_max_frame_bytes,
            },
        }
        await self._send(_text(hello))
        while not self._end.done():
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                self._finish(None)
                return
            self._heard_at = self._loop.time()
            try:
                await self._answer(message.get("text"))
            except BadFrame as error:
                self._finish(Close(closing.BAD_FRAME, str(error)))

    async def _answer(self, text: str | None) -> None:
        if text is None:
            raise BadFrame("frames are text, not binary")
        match parse_frame(text, max_bytes=conf().ws_max_frame_bytes):
            case Subscribe(run=run, after=after):
                await self._subscribe(run, after)
            case Unsubscribe(run=run):
                await self._unsubscribe(run)
            case Ping():
                await self._send(_text({"type": "pong"}))

    async def _subscribe(self, run: UUID, after: str) -> None:
        await self._unsubscribe(run)
        limit = conf().ws_max_subscriptions
        if len(self._subscriptions) >= limit:
            self._finish(Close(closing.TOO_MANY, f"a socket follows at most {limit} runs"))
            return
        try:
            opening = await open_run(run, principal=self._principal, access=self._access, cursors=[after])
        except Refused as refused:
            await self._refuse(run, refused)
        except Error as error:
            logger.warning("log not readable", extra={"run": run, "error": type(error).__name__})
            await self._refuse(run, Refused("overloaded", 503, "The log cannot be read now; try again soon."))
        else:
            task = self._loop.create_task(self._follow(opening))
            self._subscriptions[run] = task
            task.add_done_callback(self._on_done)

    async def _unsubscribe(self, run: UUID) -> None:
        if task := self._subscriptions.pop(run, None):
            await self._stop([task])

    async def _refuse(self, run: UUID, refused: Refused) -> None:
        logger.info(
            "subscription refused", extra={"run": run, "status": refused.status, "code": refused.slug}
        )
        await self._send(_text({"type": "error", "run": str(run), "problem": refused.problem()}))

    # What it is told

    async def _follow(self, opening: Opening) -> None:
        """One subscription. It outlives the end of a round, and ends with the right to see the run."""
        run = opening.run
        async with aclosing(follow(opening)) as items:
            async for item in items:
                if isinstance(item, Bye):
                    return  # said once a socket
                if isinstance(item, Denied):
                    await self._refuse(run, not_found())
                else:
                    await self._send(frame_of(item, run=run))
        if self._subscriptions.get(run) is asyncio.current_task():
            del self._subscriptions[run]

    async def _send(self, text: str) -> None:
        """One frame, whole. A client that reads nothing for too long is closed: until then only it waits."""
        async with self._sending:
            if self._end.done():
                return
            try:
                async with asyncio.timeout(self._patience_seconds):
                    await self._asgi_send({"type": "websocket.send", "text": text})
            except TimeoutError:
                self._finish(Close(closing.SILENT, "nothing was read for too long"))
            except OSError:  # it left while we spoke
                self._finish(None)

    async def _watch(self) -> None:
        """A socket that follows nothing and says nothing is closed. One that follows hears our heartbeats, and
        the server's own pings find out whether anybody is there.
        """
        while True:
            silence = self._loop.time() - self._heard_at
            if silence >= self._patience_seconds and not self._subscriptions:
                self._finish(Close(closing.SILENT, "nothing was subscribed to"))
                return
            await asyncio.sleep(max(self._patience_seconds - silence, self._patience_seconds / 10))


def frame_of(item: Followed, *, run: UUID) -> str:
    """The text of one frame. An event's envelope is embedded as it is: the same bytes as anywhere else."""
    match item:
        case Event(body=body) | Frame(body=body):
            return f'{{"type":"event","event":{body.decode()}}}'
        case Opened(after=after, head=head, epoch=epoch, is_full=is_full):
            opened = {"type": "subscribed", "from": after, "head": head, "epoch": epoch, "full": is_full}
            return _text({**opened, "run": str(run)})
        case Denied():
            raise ValueError("a denial is worded as a refusal")
        case _:
            return _text({**control(item), "run": str(run)})


def _text(body: dict[str, Any]) -> str:
    return wire.encode(body).decode()
