"""What an attempt is told from outside while its handler works."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from workflows.errors import LeaseLost, RunCancelled


@dataclass
class Signals:
    """Set by the heartbeat, read by the handler's every `ctx` call.

    lost: another attempt may own the step. stop: the run is being cancelled. ends_at: monotonic time until which the
    lease surely holds; a heartbeat that hangs cannot set `lost`, so the handler looks at the clock too.
    """

    ends_at: float = float("inf")
    clock: Callable[[], float] = time.monotonic
    lost: threading.Event = field(default_factory=threading.Event)
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def is_lost(self) -> bool:
        return self.lost.is_set() or self.clock() >= self.ends_at

    def is_set(self) -> bool:
        """As a `streaming.llm.Stop`: whether the work is no longer wanted, for threads that wait for a silent model."""
        return self.is_lost or self.stop.is_set()

    def check(self, step_name: str) -> None:
        """Raises LeaseLost, or RunCancelled: the handler's work is no longer wanted."""
        if self.is_lost:
            raise LeaseLost(f"{step_name}: the step belongs to another attempt now")
        if self.stop.is_set():
            raise RunCancelled(f"{step_name}: the run is being cancelled")
