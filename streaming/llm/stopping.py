"""How a model that is silent hears, from another thread, that nobody waits for its answer any more.

It is looked at a few times a second rather than announced: what says so may be a clock, as where a lease has run out
and nobody could be asked whether it holds.
"""

from collections.abc import Callable
from typing import Protocol

LOOK_SECONDS = 0.2  # between two looks; a stop is noticed this late at most


class Stop(Protocol):
    """A `threading.Event` is one. Asked from any thread, often: it answers at once and does not raise."""

    def is_set(self) -> bool: ...


class Never:
    def is_set(self) -> bool:
        return False


NEVER = Never()


class Stopper:
    """A stop of one's own, set with the one above it too."""

    def __init__(self, above: Stop = NEVER) -> None:
        self._above = above
        self._is_set = False

    def set(self) -> None:
        self._is_set = True

    def is_set(self) -> bool:
        return self._is_set or self._above.is_set()


def pause(seconds: float, *, stop: Stop, sleep: Callable[[float], None]) -> None:
    """Sleep so long, or until it is stopped."""
    if stop is NEVER:
        sleep(seconds)
        return
    while seconds > 0 and not stop.is_set():
        sleep(min(seconds, LOOK_SECONDS))
        seconds -= LOOK_SECONDS
