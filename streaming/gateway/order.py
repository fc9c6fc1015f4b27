"""Which of the things heard comes next. Pure: no clock, no database, no channel layer."""

import math
from collections.abc import Iterable, Sequence

from streaming.hints import LogEvent


class Order:
    """One reader's place in a gapless log. Whatever it is told, it lets through seen + 1, seen + 2, … each once.

    Hints may be lost, doubled, reordered or wrong; pages come from the database and are believed.
    """

    def __init__(self, seen: int) -> None:
        self.seen = seen
        self._goal: float = math.inf  # highest number known of; unknown until a page has reached the end

    @property
    def is_behind(self) -> bool:
        """Whether there are events that only a page can bring."""
        return self._goal > self.seen

    def hear(self, seq: int) -> None:
        """Somebody says that the log has come to `seq`."""
        self._goal = max(self._goal, seq)

    def take(self, events: Iterable[LogEvent]) -> list[LogEvent]:
        """Of events that came with hints, those that continue without a hole. The others become a reason to read."""
        taken = []
        for event in events:
            self.hear(event.seq)
            if event.seq == self.seen + 1:
                self.seen = event.seq
                taken.append(event)
        return taken

    def fill(self, events: Sequence[LogEvent], *, is_end: bool) -> list[LogEvent]:
        """Of a page of the log, what is new. `is_end`: nothing followed it when it was read, which was after all
        that was heard so far; a higher number that was heard was then a rumour.
        """
        fresh = [event for event in events if event.seq > self.seen]
        if fresh:
            self.seen = fresh[-1].seq
        self._goal = self.seen if is_end else max(self._goal, self.seen)
        return fresh
