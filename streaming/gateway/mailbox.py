"""Where a run's feed leaves what one follower has not taken yet. Bounded: overflow costs a read, never memory."""

import asyncio
from collections import deque
from collections.abc import Sequence

from outbox.wire import Cursor
from streaming.hints import EventsHint, LiveFrame, LogEvent

MAX_FRAMES = 16  # ephemeral: the newest are the ones worth seeing
HINTS_HELD = 4  # bytes held for a follower, in hints of the largest size


class Mailbox:
    """epoch: of the log as its follower knows it. heard, heard_at: how far the feed knows the log to have come,
    and since when (loop time): a read that started later shows it.
    """

    def __init__(
        self, *, epoch: int, heard: Cursor, heard_at: float, max_events: int, max_bytes: int
    ) -> None:
        self.epoch = epoch
        self.heard_at = heard_at
        self.is_epoch_over = heard.epoch != epoch
        self._heard = 0 if self.is_epoch_over else heard.seq
        self._events: deque[LogEvent] = deque()
        self._bytes = 0
        self._frames: deque[LiveFrame] = deque()
        self._frame_bytes = 0
        self.has_lost_frames = False  # the follower looks for the latest, and takes this back
        self._max_events, self._max_bytes = max_events, max_bytes
        self._news = asyncio.Event()

    def post(self, hint: EventsHint, *, at: float) -> None:
        self.heard_at = at
        if hint.epoch != self.epoch:  # late news of an old log, or the log was restored: the follower looks
            self.is_epoch_over = True
        else:
            self._heard = max(self._heard, hint.last)
            self._keep(hint.events)
        self._news.set()

    def _keep(self, events: Sequence[LogEvent]) -> None:
        self._bytes += sum(len(event.body) for event in events)
        if len(self._events) + len(events) > self._max_events or self._bytes > self._max_bytes:
            # A slow reader: it goes on from the database, at its own pace, and what was queued is not needed.
            self._events.clear()
            self._bytes = 0
            return
        self._events.extend(events)

    def post_frames(self, frames: Sequence[LiveFrame]) -> None:
        self._frames.extend(frames)
        self._frame_bytes += sum(len(frame.body) for frame in frames)
        while len(self._frames) > MAX_FRAMES or self._frame_bytes > self._max_bytes:
            self._frame_bytes -= len(self._frames.popleft().body)
            self.has_lost_frames = True
        self._news.set()

    def wake(self) -> None:
        self._news.set()

    def take(self) -> tuple[list[LogEvent], int]:
        """The events left here, and the highest number heard of since the last call."""
        events, heard = list(self._events), self._heard
        self._events.clear()
        self._bytes = self._heard = 0
        return events, heard

    def take_frames(self) -> list[LiveFrame]:
        frames = list(self._frames)
        self._frames.clear()
        self._frame_bytes = 0
        return frames

    async def wait(self, *, seconds: float) -> None:
        """Until something was left here, or it was woken, or `seconds` have passed."""
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return
        self._news.clear()
