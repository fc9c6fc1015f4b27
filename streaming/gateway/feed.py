"""One feed a (process, run): the only member of the run's channel-layer group, for all who follow it here."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any
from uuid import UUID

from channels.layers import get_channel_layer
from django.db import Error

from outbox import wire
from streaming.conf import conf
from streaming.gateway.joining import Joining
from streaming.gateway.latest import latest_frames
from streaming.gateway.log import Page, Tip, read_page, read_tip
from streaming.gateway.mailbox import HINTS_HELD, Mailbox
from streaming.gateway.naming import Naming
from streaming.gateway.reads import read
from streaming.gateway.shared import Read, SharedRead
from streaming.hints import EventsHint, FramesHint, group_of, parse_hint

logger = logging.getLogger(__name__)

Work = Callable[[], Coroutine[Any, Any, None]]

JOIN_TIMEOUT_SECONDS = 2.0  # a frozen Redis must not hold up whoever wants to read the database
RETRY_SECONDS, RETRY_CAP_SECONDS = 0.5, 5.0
POLL_SECONDS = (
    1.0  # first pause between two looks at the database while the layer is not to be relied on; doubles
)


class RunFeed:
    """What this process hears of one run. Belongs to the event loop that made it.

    While hints do not come (the layer is away, or the database knows more than was heard), it looks at the log's
    tip instead: at first every second, less often while nothing happens.
    """

    def __init__(self, run: UUID, joining: Joining) -> None:
        self.run = run
        self._loop = asyncio.get_running_loop()
        self._joining = joining
        self._mailboxes: set[Mailbox] = set()
        self._heard, self._heard_at = wire.Cursor(epoch=0, seq=0), self._loop.time()
        self._naming = Naming(run)
        self._is_joined = False
        self._is_deaf = asyncio.Event()
        self._is_deaf.set()
        self._tried = asyncio.Event()  # joined, or found that joining takes a while
        self._joined_late = asyncio.Event()  # somebody read before we could hear
        self._tips: SharedRead[Tip | None] = SharedRead(partial(read, read_tip, run))
        self.latest_frames = latest_frames(run)
        self._pages: dict[int, SharedRead[Page]] = {}
        self._is_closing = False
        self._tasks: set[asyncio.Task[None]] = set()
        for work in (self._listen, self._watch):
            self._begin(work)

    def _begin(self, work: Work) -> None:
        if not self._is_closing:
            task = self._loop.create_task(work())
            self._tasks.add(task)
            task.add_done_callback(partial(self._on_done, work))

    def _on_done(self, work: Work, task: asyncio.Task[None]) -> None:
        """Neither work may fail in silence: its followers would wait for hints that nobody hears."""
        self._tasks.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        logger.error("feed failed", exc_info=error, extra={"run": self.run})
        self._is_deaf.set()
        self._tried.set()
        self._loop.call_later(RETRY_SECONDS, self._begin, work)

    # Followers

    def enter(self, tip: Tip) -> Mailbox:
        """A mailbox for one more follower, who has just read that the log has come to `tip`."""
        self._naming.see(tip)
        if tip.cursor > self._heard:  # the others may not have heard of it
            self._post(EventsHint(run=self.run, epoch=tip.epoch, last=tip.seq))
        limits = conf()
        mailbox = Mailbox(
            epoch=tip.epoch,
            heard=self._heard,
            # Deaf, nothing vouches for the time before this moment.
            heard_at=self._loop.time() if self._is_deaf.is_set() else self._heard_at,
            max_events=limits.follow_queue_max_events,
            max_bytes=HINTS_HELD * limits.hint_max_bytes,
        )
        self._mailboxes.add(mailbox)
        return mailbox

    def leave(self, mailbox: Mailbox) -> bool:
        """Returns whether nobody follows any more."""
        self._mailboxes.discard(mailbox)
        return not self._mailboxes

    async def ready(self) -> None:
        """Until the run's group is joined, or it is clear that this will take a while."""
        with suppress(TimeoutError):
            async with asyncio.timeout(JOIN_TIMEOUT_SECONDS):
                await self._tried.wait()

    async def close(self) -> None:
        """Leave the group. Not before the joining has ended: the layer forgets a channel only when its receive()
        is cancelled.
        """
        self._is_closing = True
        await self.ready()
        pending = set(self._tasks)
        while (
            pending
        ):  # more than once: Python 3.11's wait_for, in the Redis client, may swallow a cancellation
            for task in pending:
                task.cancel()
            _, pending = await asyncio.wait(pending, timeout=2 * JOIN_TIMEOUT_SECONDS)

    # The log

    async def tip(self, *, since: float) -> Read[Tip | None]:
        """The log's tip, read at `since` or later. What it knows more than the layer told, every follower hears."""
        answer = await self._tips.get(since=since)
        tip = answer.value
        if tip is not None:
            self._naming.see(tip)
            if tip.cursor > self._heard:
                self._is_deaf.set()
                self._post(EventsHint(run=self.run, epoch=tip.epoch, last=tip.seq))
        return answer

    async def page(self, *, after: int, since: float) -> Read[Page]:
        shared = self._pages.get(after)
        if shared is None:
            # Only reads under way are kept: a page is large, and its reader has moved on.
            self._pages = {start: page for start, page in self._pages.items() if not page.is_idle}
            fetch = partial(read, read_page, self.run, after=after, limit=conf().follow_page_events)
            shared = self._pages[after] = SharedRead(fetch)
        try:
            return await shared.get(since=since)
        finally:
            if shared.is_idle and self._pages.get(after) is shared:
                del self._pages[after]

    # The channel layer

    async def _listen(self) -> None:
        layer = get_channel_layer()
        if layer is None:
            self._tried.set()
            return
        channel = await self._join(layer)
        try:
            if self._tried.is_set():
                self._is_deaf.set()
                self._joined_late.set()
            self._tried.set()
            while True:
                await self._receive(layer, channel)
        finally:
            self._is_joined = False
            await self._part(layer, channel)

    async def _join(self, layer: Any) -> str:
        """Try until it works. One feed of the process at a time: a layer that fails leaves a queue behind a try."""
        if self._joining.is_failing:
            self._tried.set()
        async with self._joining.lock:
            wait, channel = RETRY_SECONDS, None
            while not self._is_joined:
                try:
                    async with asyncio.timeout(JOIN_TIMEOUT_SECONDS):
                        channel = channel or str(await layer.new_channel())
                        await layer.group_add(group_of(self.run), channel)
                        self._is_joined = True
                except Exception as error:
                    logger.warning(
                        "channel layer away", extra={"run": self.run, "error": type(error).__name__}
                    )
                    self._joining.is_failing = True
                    self._tried.set()
                    await asyncio.sleep(wait)
                    wait = min(RETRY_CAP_SECONDS, wait * 2)
        self._joining.is_failing = False
        self._hears_again()
        assert channel is not None
        return channel

    async def _receive(self, layer: Any, channel: str) -> None:
        """The next message. Never under a time-out: the layer takes a cancelled receive() for good-bye."""
        try:
            message = await layer.receive(channel)
            hint = parse_hint(message)
        except Exception as error:
            logger.warning("hint not understood", extra={"run": self.run, "error": type(error).__name__})
            self._is_deaf.set()
            await asyncio.sleep(RETRY_SECONDS)  # the layer may fail at every call
            return
        if isinstance(hint, FramesHint):
            for mailbox in self._mailboxes:
                mailbox.post_frames(hint.frames)
        else:
            if self._is_deaf.is_set():
                self._hears_again()
            self._post(hint)

    def _hears_again(self) -> None:
        self._is_deaf.clear()
        self._heard_at = self._loop.time()

    def _post(self, hint: EventsHint) -> None:
        self._heard = max(self._heard, wire.Cursor(epoch=hint.epoch, seq=hint.last))
        self._heard_at = self._loop.time()
        for mailbox in self._mailboxes:
            mailbox.post(hint, at=self._heard_at)

    async def _part(self, layer: Any, channel: str) -> None:
        try:
            async with asyncio.timeout(JOIN_TIMEOUT_SECONDS):
                await layer.group_discard(group_of(self.run), channel)
        except Exception as error:
            logger.info("group not left", extra={"run": self.run, "error": type(error).__name__})

    # While deaf

    async def _watch(self) -> None:
        while True:
            await self._is_deaf.wait()
            pause, longest = POLL_SECONDS, conf().heartbeat_seconds
            while self._is_deaf.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(pause, longest)):
                        await self._joined_late.wait()
                self._joined_late.clear()
                pause = POLL_SECONDS if await self._look() else pause * 2
                if pause >= longest and self._is_joined:
                    self._hears_again()  # nothing happens, so nothing was missed

    async def _look(self) -> bool:
        """Whether the log has moved on."""
        before = self._heard
        try:
            await self.tip(since=self._loop.time())
        except Error as error:
            logger.warning("log not readable", extra={"run": self.run, "error": type(error).__name__})
        return self._heard > before
