"""How long a model may be silent, and the watch that ends a silence, in time or once nobody listens any more.

A socket's read time-out is not enough: servers send comments to keep a connection alive while the model
hangs, and each of them starts such a time-out anew. What counts here is words.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from streaming.llm.stopping import LOOK_SECONDS, NEVER, Stop


@dataclass(frozen=True, kw_only=True)
class Patience:
    connect_seconds: float = 10.0
    first_token_seconds: float = 120.0  # from the request to the first word; not under the next
    idle_seconds: float = 45.0  # between two words


class Watch:
    """Calls `cut` once, when a deadline passes or `stop` is set. One thread while it is open; arming costs no new one.

    cut: wakes the reader that waits for words. It runs on the watch's thread, beside that read.
    """

    def __init__(self, cut: Callable[[], None], *, stop: Stop = NEVER) -> None:
        self._cut = cut
        self._stop = stop
        self._deadline: float | None = None
        self._is_open = True
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="model-watch", daemon=True)
        self.has_cut = False

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._changed:
            self._is_open = False
            self._changed.notify()
        self._thread.join()

    def arm(self, deadline: float) -> None:
        """deadline: on the clock of `time.monotonic()`."""
        with self._changed:
            self._deadline = deadline
            self._changed.notify()

    def disarm(self) -> None:
        """While the caller works on what it got: its time is not the model's."""
        with self._changed:
            self._deadline = None

    def _run(self) -> None:
        with self._changed:
            while self._is_open:
                left = None if self._deadline is None else self._deadline - time.monotonic()
                if (left is not None and left <= 0) or self._stop.is_set():
                    self.has_cut = True
                    self._cut()
                    return
                self._changed.wait(self._seconds(left))

    def _seconds(self, left: float | None) -> float | None:
        if self._stop is NEVER:
            return left
        return LOOK_SECONDS if left is None else min(left, LOOK_SECONDS)
