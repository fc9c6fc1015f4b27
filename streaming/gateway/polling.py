"""Long polling: an answer that waits until there is something to tell, for clients that can keep no stream."""

from contextlib import aclosing
from typing import Any
from uuid import UUID

from streaming.conf import conf
from streaming.gateway.access import Access
from streaming.gateway.errors import misfit
from streaming.gateway.follow import follow
from streaming.gateway.followed import CaughtUp, Denied, Frame, Head, Opened
from streaming.gateway.opening import Opening, open_run
from streaming.gateway.reads import release_request_thread

# What a stream says while nothing has happened.
NO_NEWS = (Opened, CaughtUp, Head, Frame)


async def await_news(opening: Opening, *, seconds: float) -> bool:
    """Until the log has an event after the opening's cursor that its reader may see, the round is over, or `seconds`
    have passed. It holds no thread and no database connection meanwhile. Returns whether they may still see the run.
    """
    if seconds <= 0 or opening.is_over:
        return True
    await release_request_thread()
    async with aclosing(follow(opening, max_age_seconds=seconds)) as items:
        async for item in items:
            if not isinstance(item, NO_NEWS):
                return not isinstance(item, Denied)
    return True


async def wait_for_run(
    run: UUID, *, principal: Any, access: Access, after: str | None, seconds: float
) -> bool:
    """The same for who reads something else of the run afterwards. Rights are looked at again when the wait ends.

    after: the cursor; None: the start of the log. Raises Refused as `open_run`.
    """
    cursors = [after] if after else []
    opening = await open_run(run, principal=principal, access=access, cursors=cursors)
    if not await await_news(opening, seconds=seconds):
        return False
    return await access.look(principal, run) is not None


def wait_seconds(text: str | None) -> float:
    """The `wait` of a request; 0 without one. Raises Refused."""
    if text is None:
        return 0.0
    limit = conf().poll_wait_max_seconds
    # Short first: converting thousands of digits is work, or an error of its own.
    is_number = len(text) <= len(str(limit)) and text.isascii() and text.isdigit()
    if not is_number or int(text) > limit:
        raise misfit(f"wait is a whole number of seconds from 0 to {limit}")
    return float(text)
