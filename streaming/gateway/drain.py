"""The process is about to stop: every stream and socket hears of it once, and says good-bye itself.

`config/lifespan.py` calls `DRAIN.begin` in the event loop at the first SIGTERM.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# Clients come back spread over this time, so that a restart is no storm.
RETURN_MIN_MS, RETURN_MAX_MS = 500, 5_000


class Drain:
    """A one-way switch of an event loop's thread."""

    def __init__(self) -> None:
        self.has_begun = False
        self._listeners: set[Callable[[], None]] = set()

    def begin(self) -> None:
        """Tell everyone, now and from now on."""
        self.has_begun = True
        for tell in list(self._listeners):
            tell()

    @contextmanager
    def listening(self, tell: Callable[[], None]) -> Iterator[None]:
        """Call `tell` when it begins; at once if it has."""
        self._listeners.add(tell)
        try:
            if self.has_begun:
                tell()
            yield
        finally:
            self._listeners.discard(tell)


DRAIN = Drain()


def return_ms() -> int:
    """When a client that is sent away should come back."""
    return random.randint(RETURN_MIN_MS, RETURN_MAX_MS)
