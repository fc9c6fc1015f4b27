"""What was applied, compared with the log: finds what Redis lost without a word."""

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from outbox.consuming.reader import Reader

HEADS = 500  # streams looked at in one go
STREAMS = 20  # streams caught up with in one go, so that what is new need not wait long

# An entry's id is made before its commit, on the writer's clock: one that was committed just now may look this old.
MARGIN = timedelta(minutes=2)


class Comparison:
    """One walk through the streams of `shards`: all of them, or those with entries written since a time.

    Since each walk goes back to where the one before it began, together they see every entry, though each costs what
    is recent only. `started` is when this one began. warily: see `Reader.catch_up`; for shards that were taken up just
    now, perhaps from a process that ended at one of these events.
    """

    def __init__(
        self,
        reader: Reader,
        shards: Collection[int],
        *,
        since: datetime | None,
        started: datetime,
        warily: bool = False,
    ) -> None:
        self.shards = frozenset(shards)
        self.started = started
        self.is_broken = False  # the work on a stream was broken off: this walk says nothing
        self._reader = reader
        self._warily = warily
        self._since = None if since is None else since - MARGIN
        self._after: UUID | None = None
        self._behind: list[UUID] = []
        self._is_last_page = False

    def go_on(self) -> bool:
        """A part of the way; True at its end."""
        if not self._behind and not self._is_last_page:
            self._look()
        for _ in range(STREAMS):
            if not self._behind:
                break
            reached = self._reader.catch_up(self._behind.pop(), warily=self._warily)
            self.is_broken = self.is_broken or reached is None
        return self._is_last_page and not self._behind

    def _look(self) -> None:
        heads = self._reader.log.heads(shards=self.shards, since=self._since, after=self._after, limit=HEADS)
        if not heads:
            self._is_last_page = True
            return
        self._after = heads[-1].stream
        places = self._reader.places([head.stream for head in heads])
        self._behind = [
            head.stream for head in heads if (head.epoch, head.seq) > places.get(head.stream, (0, 0))
        ]
