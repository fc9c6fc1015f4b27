"""Work in turns that leaves the others their share: a pause between two turns, and an end in time."""

import time
from collections.abc import Iterator

from outbox.conf import conf


class Pace:
    """One pass of work that nobody waits for."""

    def __init__(self) -> None:
        self._ends_at = time.monotonic() + conf().retention_pass_seconds

    def turns(self) -> Iterator[None]:
        """At least one, then one after each pause, until `retention_pass_seconds` are over."""
        while True:
            yield
            if self.is_over:
                return
            time.sleep(conf().retention_pause_seconds)

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self._ends_at
