"""One read for all who ask for the same thing at the same time."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Read(Generic[T]):
    """A value, and when it was read in the event loop's seconds: it shows what was committed before `started_at`."""

    value: T
    started_at: float
    done_at: float


class SharedRead(Generic[T]):
    """Whoever asks says how fresh the answer must be, and shares one that is."""

    def __init__(self, read: Callable[[], Awaitable[T]]) -> None:
        self._read = read
        self._last: Read[T] | None = None
        self._flight: asyncio.Task[Read[T]] | None = None
        self._flight_started_at = 0.0

    @property
    def is_idle(self) -> bool:
        return self._flight is None or self._flight.done()

    async def get(self, *, since: float) -> Read[T]:
        """A read that started at `since` (loop time) or later. Raises what the read raised."""
        if self._last is not None and self._last.started_at >= since:
            return self._last
        flight = self._flight
        if flight is None or flight.done() or self._flight_started_at < since:
            flight = self._start()
        # Shielded: a reader that leaves must not take the answer from the others.
        return await asyncio.shield(flight)

    def _start(self) -> asyncio.Task[Read[T]]:
        loop = asyncio.get_running_loop()
        self._flight_started_at = loop.time()
        self._flight = loop.create_task(self._fly(self._flight_started_at))
        self._flight.add_done_callback(_retrieve)
        return self._flight

    async def _fly(self, started_at: float) -> Read[T]:
        value = await self._read()
        answer = Read(value, started_at, asyncio.get_running_loop().time())
        if self._last is None or self._last.started_at < started_at:
            self._last = answer
        return answer


def _retrieve(flight: "asyncio.Task[Read[T]]") -> None:
    """All who waited may have left: an error that nobody reads is not worth a warning at exit."""
    if not flight.cancelled():
        flight.exception()
