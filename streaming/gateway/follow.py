"""The one ordered reader of a run's log. Sockets, server-sent events and NDJSON are framings of it.

It joins the live feed first, then reads the log from the cursor, then goes live. What came with hints is passed on
when it continues the log; a hole, an overflow or a heartbeat whose head is ahead sends it back to the database.
So a lost hint costs time, and never an event.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Sequence

from django.db import Error

from outbox import wire
from streaming.conf import conf
from streaming.gateway.drain import DRAIN, return_ms
from streaming.gateway.feed import RunFeed
from streaming.gateway.feeds import feeds
from streaming.gateway.followed import (
    LAST,
    Bye,
    CaughtUp,
    Denied,
    End,
    Event,
    Followed,
    Frame,
    Gap,
    Head,
)
from streaming.gateway.mailbox import Mailbox
from streaming.gateway.naming import report_ahead, report_shrunk
from streaming.gateway.opening import Opening
from streaming.gateway.order import Order
from streaming.hints import LiveFrame, LogEvent

logger = logging.getLogger(__name__)

RETRY_SECONDS = 1.0  # after the database could not be read
TURN_ITEMS = 64  # given out between two looks at the clock
# An event that may have ended the run's round. What else holds these bytes costs a look at the tip.
MAY_END = b'"type":"run.'


async def follow(opening: Opening, *, max_age_seconds: float | None = None) -> AsyncGenerator[Followed, None]:
    """Everything from the cursor on, in order, without gap or double. Ends after Reset, Denied or Bye only.

    Close it when done (`contextlib.aclosing`): it is a member of the run's feed. max_age_seconds: after it, Bye.
    """
    run, tip = opening.run, opening.tip
    with (
        feeds().following(run, tip=tip) as (feed, mailbox),
        DRAIN.listening(mailbox.wake),
    ):
        yield opening.opened()
        if not opening.goes_on:
            yield opening.reset(tip)
            return
        await feed.ready()
        follower = _Follower(opening, feed, mailbox, max_age_seconds=max_age_seconds)
        while True:
            for item in await follower.turn():
                yield item
                if isinstance(item, LAST):
                    return


class _Follower:
    """The state of one follow()."""

    def __init__(
        self, opening: Opening, feed: RunFeed, mailbox: Mailbox, *, max_age_seconds: float | None
    ) -> None:
        self._opening, self._feed, self._mailbox = opening, feed, mailbox
        self._now = asyncio.get_running_loop().time
        self._order = Order(opening.after)
        self._seen = opening.seen
        self._shown = opening.head if not opening.seen.is_full else opening.after
        self._since = mailbox.heard_at  # a read that started later shows all that was heard or given out
        self._ready: deque[Followed] = deque()
        self._is_caught_up = self._is_beat_due = False
        self._must_verify = True  # the tip decides whether the log is closed
        self._is_strange = False  # something is of another log, theirs or ours
        self._ended_at: int | None = None
        self._began_at = self._now()  # frames since then come by the feed
        self._lacks_frames = opening.tip.state is None
        self._beat_at = self._now() + conf().heartbeat_seconds
        self._expires_at = self._now() + max_age_seconds if max_age_seconds is not None else None

    async def turn(self) -> list[Followed]:
        """What comes next, at most TURN_ITEMS; empty when nothing did for a while."""
        try:
            return await self._turn()
        except Error as error:
            logger.warning(
                "log not readable", extra={"run": self._opening.run, "error": type(error).__name__}
            )
            await asyncio.sleep(RETRY_SECONDS)
            return []

    async def _turn(self) -> list[Followed]:
        if DRAIN.has_begun or (self._expires_at is not None and self._now() >= self._expires_at):
            return [Bye(return_ms())]
        if self._now() >= self._beat_at and not await self._beat():
            return [Denied()]
        if self._ready:
            return [self._ready.popleft() for _ in range(min(TURN_ITEMS, len(self._ready)))]
        self._empty_mailbox()
        if self._ready:
            return []
        if self._is_strange:
            return await self._verify()
        if self._order.is_behind:
            await self._refill()
            return []
        return await self._at_head()

    @property
    def _cursor(self) -> wire.Cursor:
        return wire.Cursor(epoch=self._opening.tip.epoch, seq=self._order.seen)

    def _empty_mailbox(self) -> None:
        events, heard = self._mailbox.take()
        self._order.hear(heard)
        self._since = max(self._since, self._mailbox.heard_at)
        if self._mailbox.is_epoch_over:
            self._mailbox.is_epoch_over, self._is_strange = False, True
        self._give(self._order.take(events))

    async def _refill(self) -> None:
        before = self._order.seen
        answer = await self._feed.page(after=before, since=self._since)
        self._since = max(self._since, answer.done_at)
        if not answer.value.continues(self._cursor):
            self._is_strange = True  # nothing of it is given out
            return
        fresh = self._order.fill(answer.value.events, is_end=answer.value.is_last)
        if fresh and fresh[0].seq > before + 1:
            self._ready.append(Gap(before, fresh[0].seq))
        self._give(fresh)

    def _give(self, events: Sequence[LogEvent]) -> None:
        for event in events:
            if MAY_END in event.body:
                self._must_verify = True
            if self._seen.shows(event):
                self._shown = event.seq
                self._ready.append(Event(event.seq, event.body))

    async def _at_head(self) -> list[Followed]:
        """Nothing is missing that we know of."""
        items: list[Followed] = []
        if not self._is_caught_up:
            self._is_caught_up = True
            items.append(CaughtUp(self._order.seen))
        if self._must_verify:
            items += await self._verify()
        if self._order.is_behind:
            return items
        if self._is_beat_due:
            self._is_beat_due = False
            seq = self._order.seen if self._seen.is_full else self._shown
            items.append(Head(seq, self._opening.tip.epoch))
        items += await self._frames()
        if not items:
            await self._mailbox.wait(seconds=self._patience())
        return items

    async def _frames(self) -> list[Followed]:
        """The ephemeral ones. Who comes, or was too slow for some, is told the latest first: of two that tell the
        same, a frame says which is newer.
        """
        latest: list[LiveFrame] = []
        if self._lacks_frames or self._mailbox.has_lost_frames:
            since = self._began_at if self._lacks_frames else self._now()
            self._lacks_frames = self._mailbox.has_lost_frames = False
            latest = (await self._feed.latest_frames.get(since=since)).value
        frames = [*latest, *self._mailbox.take_frames()]
        return [Frame(frame.body) for frame in frames if self._seen.shows(frame)]

    def _patience(self) -> float:
        next_at = self._beat_at if self._expires_at is None else min(self._beat_at, self._expires_at)
        return max(0.0, next_at - self._now())

    async def _beat(self) -> bool:
        """Look at rights and head again. False when the rights are gone."""
        every = conf().heartbeat_seconds
        seen = await self._opening.access.look(self._opening.principal, self._opening.run)
        if seen is None:
            return False
        self._seen = seen
        # A few seconds old will do: followers of one run share the query. What it tells is judged at the head.
        await self._feed.tip(since=self._now() - every / 3)
        self._beat_at = self._now() + every
        self._is_beat_due = self._must_verify = True
        return True

    async def _verify(self) -> list[Followed]:
        """Compare what was given out with a tip that is newer."""
        tip = (await self._feed.tip(since=self._since)).value
        if tip is not None and not tip.goes_on_from(self._cursor):
            # It may have been read for others, before we came.
            tip = (await self._feed.tip(since=max(self._since, self._opening.read_at))).value
        self._must_verify = self._is_strange = False
        if tip is None:
            return [Denied()]
        if not tip.goes_on_from(self._cursor):
            if tip.epoch == self._opening.tip.epoch and tip.seq < self._opening.tip.seq:
                await report_shrunk(self._opening.run, epoch=tip.epoch)
            elif self._cursor > tip.cursor:
                await report_ahead(self._opening.run)
            return [self._opening.reset(tip)]
        self._order.hear(tip.seq)
        if tip.state is None or tip.seq > self._order.seen or tip.seq == self._ended_at:
            return []
        self._ended_at = tip.seq
        return [End(tip.seq, tip.state)]
