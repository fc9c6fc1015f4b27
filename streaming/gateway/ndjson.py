"""Newline-delimited JSON: one envelope a line, for curl, pipelines and server clients.

A line counts with its newline only, and the log is complete only with the last line
`{"type":"end","last_seq":N,"state":"…"}`: whatever was cut can be told, and taken up again with `after`. A log that was
restored begins with a `hello` line, which has the epoch that cursors need from then on.
"""

from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial

from django.http import HttpResponseBase, StreamingHttpResponse

from outbox import wire
from streaming.conf import conf
from streaming.gateway.connections import CONNECTIONS
from streaming.gateway.errors import not_found
from streaming.gateway.follow import follow
from streaming.gateway.followed import CaughtUp, Denied, End, Event, Followed, Frame, Gap, Opened, control
from streaming.gateway.log import read_page, read_tip
from streaming.gateway.opening import Opening
from streaming.gateway.reads import read, release_request_thread
from streaming.gateway.sse import STREAM_HEADERS, hello, max_age_seconds

CONTENT_TYPE = "application/x-ndjson"


def ndjson_response(opening: Opening, *, follows: bool) -> HttpResponseBase:
    """The log from the cursor. follows: go on, with heartbeat lines, until the round ends; else stop at the head."""
    lines = _followed(opening) if follows else _present(opening)
    return StreamingHttpResponse(lines, content_type=CONTENT_TYPE, headers=STREAM_HEADERS)


async def _followed(opening: Opening) -> AsyncIterator[bytes]:
    await release_request_thread()
    with CONNECTIONS.held(opening.principal):
        async with aclosing(follow(opening, max_age_seconds=max_age_seconds())) as items:
            async for item in items:
                yield line(item)
                if isinstance(item, End):
                    return


async def _present(opening: Opening) -> AsyncIterator[bytes]:
    """Up to the head that the opening saw. `state` of the last line is null while the run goes on.

    What the log itself does not have is named as a gap; without its last events it has no end.
    """
    await release_request_thread()
    head, seen = opening.tip.seq, opening.after
    if opening.tip.epoch > 1:
        yield line(opening.opened())
    while seen < head:
        limit = min(conf().follow_page_events, head - seen)
        page = await read(partial(read_page, opening.run, after=seen, limit=limit))
        if not page.continues(wire.Cursor(epoch=opening.tip.epoch, seq=seen)):
            tip = await read(read_tip, opening.run)
            yield line(Denied() if tip is None else opening.reset(tip))
            return
        fresh = [event for event in page.events if event.seq <= head]
        if not fresh:
            yield line(Gap(seen, head + 1))
            return
        lines = []
        for event in fresh:
            if event.seq > seen + 1:
                lines.append(line(Gap(seen, event.seq)))
            if opening.seen.shows(event):
                lines.append(line(Event(event.seq, event.body)))
            seen = event.seq
        yield b"".join(lines)
    yield wire.encode({"type": "end", "last_seq": head, "state": opening.tip.state}) + b"\n"


def line(item: Followed) -> bytes:
    """One line. A tail that is silent is alive all the same: a heartbeat is a line too."""
    match item:
        case Event(body=body) | Frame(body=body):
            return b"%b\n" % body
        case Opened() if item.epoch > 1:  # its numbers are cursors together with the epoch only
            return wire.encode(hello(item)) + b"\n"
        case Opened() | CaughtUp():
            return b""
        case Denied():
            return wire.encode({"type": "error", "problem": not_found().problem()}) + b"\n"
        case _:
            return wire.encode(control(item)) + b"\n"
