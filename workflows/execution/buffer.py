"""Yielded items on their way to a commit: at once when time allows, in small batches when they come fast.

An item must not wait for the next one: if nothing follows within the interval, the process's flush thread commits.
"""

import contextlib
import threading
import time
from collections.abc import Callable

from outbox.connections import drop_broken, give_back
from workflows.conf import conf
from workflows.engine.items import Change


class ItemBuffer:
    """Changes of one attempt. `commit` writes a batch; once it raised, so does every later call."""

    def __init__(
        self,
        commit: Callable[[list[Change]], None],
        *,
        interval_seconds: float,
        max_items: int,
        flusher: "Flusher",
    ) -> None:
        self._commit = commit
        self._interval = interval_seconds
        self._max_items = max_items
        self._flusher = flusher
        self._lock = threading.Lock()  # held through a commit: batches keep the order of the yields
        self._waiting: list[Change] = []
        self._last_commit = 0.0
        self._error: BaseException | None = None

    def add(self, *changes: Change) -> None:
        """Take changes, which share a commit; now if the last one is an interval ago or the batch is full."""
        with self._lock:
            self._raise_error()
            is_first = not self._waiting
            self._waiting.extend(changes)
            idle = time.monotonic() - self._last_commit
            if idle >= self._interval or len(self._waiting) >= self._max_items:
                self._commit_waiting()
            elif is_first:
                self._flusher.schedule(self, at=self._last_commit + self._interval)

    def flush(self) -> None:
        """Return when everything taken so far is durable."""
        with self._lock:
            self._raise_error()
            self._commit_waiting()

    def flush_in_background(self) -> None:
        """The flush thread's turn: an error is kept for the handler's next call."""
        with self._lock:
            if self._error is None:
                with contextlib.suppress(Exception):  # kept by the commit
                    self._commit_waiting()

    def _commit_waiting(self) -> None:
        batch, self._waiting = self._waiting, []
        if not batch:
            return
        try:
            self._commit(batch)
        except Exception as error:
            # For good: the batch is gone, so no later flush may report that all is durable. A retry heals it.
            self._error = error
            raise
        finally:
            self._last_commit = time.monotonic()

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error


class Flusher:
    """One daemon thread a process; made on first use, so that a forked child has its own."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._due: dict[ItemBuffer, float] = {}
        self._thread: threading.Thread | None = None

    def schedule(self, buffer: ItemBuffer, *, at: float) -> None:
        """Flush `buffer` at monotonic time `at` unless it was told an earlier one."""
        with self._condition:
            self._due.setdefault(buffer, at)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._work, name="longhaul-flush", daemon=True)
                self._thread.start()
            self._condition.notify()

    def _work(self) -> None:
        while True:
            buffer = self._next()
            drop_broken()
            buffer.flush_in_background()

    def _next(self) -> ItemBuffer:
        with self._condition:
            while True:
                if not self._due:
                    # Kept for the next flush, which is 50 ms away while a step streams; given back after that.
                    if not self._condition.wait(conf().flush_idle_seconds):
                        give_back()
                        self._condition.wait_for(lambda: bool(self._due))
                    continue
                buffer, at = min(self._due.items(), key=lambda pair: pair[1])
                wait = at - time.monotonic()
                if wait <= 0:
                    del self._due[buffer]
                    return buffer
                self._condition.wait(wait)
