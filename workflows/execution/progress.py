"""How far a step is: shown live, saved for those who come later."""

import time
from typing import Any, Protocol

from workflows.conf import conf


class Teller(Protocol):
    """Who tells it: see `execution.ports.Records`."""

    def show_progress(self, progress: dict[str, Any]) -> None: ...
    def save_progress(self, progress: dict[str, Any]) -> None: ...


class Progress:
    """Of one attempt. What comes too soon after the last is left out, but for the end."""

    def __init__(self, teller: Teller) -> None:
        self._teller = teller
        self._saved = self._shown = 0.0

    def tell(self, done: float, total: float | None, unit: str) -> None:
        progress = {"done": done, "total": total, "unit": unit}
        now, limits, is_last = time.monotonic(), conf(), total is not None and done >= total
        if is_last or now - self._shown >= limits.progress_frame_interval_seconds:
            self._teller.show_progress(progress)
            self._shown = now
        if is_last or now - self._saved >= limits.progress_interval_seconds:
            self._teller.save_progress(progress)
            self._saved = now
