"""All feeds of an event loop: one a followed run, made for its first follower and closed after its last."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID
from weakref import WeakKeyDictionary

from streaming.gateway.feed import RunFeed
from streaming.gateway.joining import Joining
from streaming.gateway.log import Tip
from streaming.gateway.mailbox import Mailbox


class Feeds:
    """The feeds of one event loop, by run."""

    def __init__(self) -> None:
        self._feeds: dict[UUID, RunFeed] = {}
        self._joining = Joining()
        self._leaving: set[asyncio.Task[None]] = set()

    @contextmanager
    def following(self, run: UUID, *, tip: Tip) -> Iterator[tuple[RunFeed, Mailbox]]:
        """The run's feed, made for the first follower and closed after the last. tip: as the follower has read it."""
        feed = self._feeds.get(run)
        if feed is None:
            feed = self._feeds[run] = RunFeed(run, self._joining)
        mailbox = feed.enter(tip)
        try:
            yield feed, mailbox
        finally:
            if feed.leave(mailbox):
                del self._feeds[run]
                closing = asyncio.get_running_loop().create_task(feed.close())
                self._leaving.add(closing)  # the loop itself keeps only weak references
                closing.add_done_callback(self._leaving.discard)

    def __len__(self) -> int:
        return len(self._feeds)

    async def closed(self) -> None:
        """Until the feeds that lost their last follower have left their groups."""
        if self._leaving:
            await asyncio.wait(self._leaving)


_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, Feeds] = WeakKeyDictionary()


def feeds() -> Feeds:
    """Those of the running event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _loops:
        _loops[loop] = Feeds()
    return _loops[loop]
