"""How many streams and sockets one caller holds open here: who opens a thousand must not take the room of the others.

Counted in this process, where they are held: a count elsewhere would outlive a process that was killed.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from streaming.conf import conf
from streaming.gateway.errors import Refused

RETRY_AFTER_SECONDS = 10


class Connections:
    """Of one process. A principal counts by its `key`; one without is not counted."""

    def __init__(self) -> None:
        self._held: Counter[str] = Counter()

    def has_room(self, principal: Any) -> bool:
        key, limit = getattr(principal, "key", None), conf().connections_max
        return key is None or not limit or self._held[key] < limit

    @contextmanager
    def held(self, principal: Any) -> Iterator[None]:
        """For as long as one is open."""
        key = getattr(principal, "key", None)
        if key is None:
            yield
            return
        self._held[key] += 1
        try:
            yield
        finally:
            self._held[key] -= 1
            if not self._held[key]:  # or every caller of all time would stay here
                del self._held[key]

    def __len__(self) -> int:
        return self._held.total()


CONNECTIONS = Connections()


def require_room(principal: Any) -> None:
    """Before a stream is opened; two that ask at the same moment may both get the last place. Raises Refused."""
    if not CONNECTIONS.has_room(principal):
        detail = f"You hold {conf().connections_max} streams open here. Close one, or follow many runs on one socket."
        raise Refused("rate-limited", 429, detail, retry_after_seconds=RETRY_AFTER_SECONDS)
