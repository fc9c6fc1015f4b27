"""Server-sent events: the framing that every browser reads by itself, over plain HTTP."""

import random
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse

from outbox import wire
from streaming.conf import conf
from streaming.gateway.connections import CONNECTIONS
from streaming.gateway.errors import not_found
from streaming.gateway.follow import follow
from streaming.gateway.followed import Bye, Denied, End, Event, Followed, Frame, Opened, control
from streaming.gateway.opening import Opening
from streaming.gateway.reads import release_request_thread

CONTENT_TYPE = "text/event-stream"
# no-transform and the second header: a proxy that collects or compresses would hold events back.
STREAM_HEADERS = {"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"}
RETRY_MS = 2_000
YOUNGEST_END = 2 / 3  # streams end at random between this part of their greatest age and the whole


def sse_response(opening: Opening) -> HttpResponseBase:
    """The stream from the opening's cursor; 204, which tells a browser to stop, when all has been told."""
    if opening.is_over:
        return HttpResponse(status=204, headers={"Cache-Control": "no-store"})
    return StreamingHttpResponse(_blocks(opening), content_type=CONTENT_TYPE, headers=STREAM_HEADERS)


async def _blocks(opening: Opening) -> AsyncIterator[bytes]:
    await release_request_thread()
    with CONNECTIONS.held(opening.principal):
        async with aclosing(follow(opening, max_age_seconds=max_age_seconds())) as items:
            async for item in items:
                yield block(item, epoch=opening.tip.epoch)
                if isinstance(item, End):
                    return


def max_age_seconds() -> float:
    """Of one stream: those that were opened together do not all come back together."""
    return conf().stream_max_age_seconds * random.uniform(YOUNGEST_END, 1)


def block(item: Followed, *, epoch: int) -> bytes:
    """One block. An event has its cursor as id and no name, so that one handler meets types of the future too."""
    match item:
        case Event(seq=seq, body=body):
            return b"id: %b\ndata: %b\n\n" % (wire.format_cursor(seq, epoch=epoch).encode(), body)
        case Frame(body=body):
            return b"data: %b\n\n" % body
        case Opened():
            return b"retry: %d\n" % RETRY_MS + _control(hello(item))
        case Denied():
            return _control({"type": "error", "problem": not_found().problem()})
        case Bye(retry_ms=retry_ms):
            return b"retry: %d\n" % retry_ms + _control(control(item))
        case _:
            return _control(control(item))


def hello(item: Opened) -> dict[str, Any]:
    return {
        "type": "hello",
        "run": str(item.run),
        "from": item.after,
        "head": item.head,
        "epoch": item.epoch,
        "full": item.is_full,
        "hb_ms": round(conf().heartbeat_seconds * 1_000),
    }


def _control(body: dict[str, Any]) -> bytes:
    return b"event: control\ndata: %b\n\n" % wire.encode(body)
