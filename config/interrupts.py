"""Ctrl-C, SIGTERM and a closed terminal: the first asks to stop in order, the second to stop at once."""

import signal
from collections.abc import Callable
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """In its block the first signal raises KeyboardInterrupt; each later one calls `at_once`."""

    def __init__(self) -> None:
        self.at_once: Callable[[], None] = lambda: None
        self._asked = False

    def __enter__(self) -> "Interrupts":
        self._former = {number: signal.signal(number, self._on_signal) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def stopping(self) -> None:
        """Whatever the reason, stopping has begun: from now on a signal can only hurry it."""
        self._asked = True

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            self.at_once()
            return
        self._asked = True
        raise KeyboardInterrupt
