"""The item that a model is in the middle of, on its way to whoever watches: at most ten times a second."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from outbox import wire
from streaming.conf import conf as streaming_conf
from streaming.parsers import Op, Parser, Watch
from workflows.conf import conf


class Shower(Protocol):
    """Who tells it: see `services.partials.Partials`."""

    def show_partial(self, index: int, rev: int, ops: Sequence[Op], whole: Any) -> bool: ...
    def hide_partial(self, index: int, rev: int) -> None: ...


class HalfItem:
    """Follows one answer, a chunk behind its parser. It neither raises nor waits for more than a short time-out.

    next_index: the index that the next new item of the step will have. revisions: count over the whole attempt, so
    that of two frames the later one is known.
    """

    def __init__(
        self, parser: Parser, shower: Shower, *, next_index: Callable[[], int], revisions: Iterator[int]
    ) -> None:
        limits = conf()
        self._watch = Watch(
            parser, max_bytes=limits.partial_max_bytes, max_depth=streaming_conf().json_max_depth
        )
        self._interval = limits.partial_interval_seconds
        self._shower, self._next_index, self._revisions = shower, next_index, revisions
        self._shown: int | None = None  # index of what is on the pages
        self._looked_at = 0.0
        self._must_say_all = True
        self._said_bytes = 0  # since all was said

    def follow(self, chunk: str) -> None:
        """What the parser was fed last, once its items were taken."""
        self._must_say_all |= self._watch.feed(chunk)
        now = time.monotonic()
        if now - self._looked_at < self._interval:
            return
        self._looked_at = now
        reader = self._watch.reader
        if reader and reader.value is not None:
            if reader.has_news or self._must_say_all:
                self._show(reader.take(), reader.value)
        elif self._shown is not None and self._shown >= self._next_index():
            self._hide(self._shown)

    def end(self) -> None:
        """The answer is over, whole or not. What was taken as an item stays until its commit is told."""
        if self._shown is not None and self._shown >= self._next_index():
            self._hide(self._shown)

    def _show(self, ops: Sequence[Op], whole: Any) -> None:
        """Whoever missed a frame waits for one that says all. It is sent whenever the news have outweighed it, so
        that both together cost no more than twice what was written; and under each index first, since the items
        below it end what was shown under theirs.
        """
        index, size = self._next_index(), len(wire.encode(ops))
        self._must_say_all |= index != self._shown or self._said_bytes + size > len(wire.encode(whole))
        if self._must_say_all:
            ops = [("set", "", whole)]
        is_sent = self._shower.show_partial(index, next(self._revisions), ops, whole)
        self._said_bytes = 0 if self._must_say_all else self._said_bytes + size
        self._must_say_all = not is_sent
        if is_sent:
            self._shown = index

    def _hide(self, index: int) -> None:
        self._shower.hide_partial(index, next(self._revisions))
        self._shown = None


class NoHalfItem:
    """For an answer whose objects are no items of the step, and where none are to be shown."""

    def follow(self, chunk: str) -> None:
        pass

    def end(self) -> None:
        pass
