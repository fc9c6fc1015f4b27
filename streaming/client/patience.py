"""When to try again: full jitter below a doubling, capped bound, and what the server asks for before that."""

from collections.abc import Callable
from dataclasses import dataclass

DOUBLINGS = 30  # 2.0 ** 1024 overflows a float; the cap wins long before


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How a client waits for a server that is away. All in seconds.

    base, cap: bound of the first wait, and of the longest. healthy: a stream that lived so long ends a series of
    failures. give_up: how long a request is repeated; following a run has no end but the caller's.
    """

    base: float = 0.5
    cap: float = 30.0
    healthy: float = 10.0
    give_up: float = 60.0


PATIENT = Patience()


class Pace:
    """The waits of one series of failures. roll: uniform draws in [0, 1)."""

    def __init__(self, patience: Patience, roll: Callable[[], float]) -> None:
        self._patience = patience
        self._roll = roll
        self._failures = 0

    def after(self, *, healthy_seconds: float = 0.0, wish_seconds: float | None = None) -> float:
        """Seconds to wait after one more failure of something that lived for `healthy_seconds`.

        wish_seconds: the server's wish; up to twice as much, so that those sent away together come back one by one.
        """
        if healthy_seconds >= self._patience.healthy:
            self._failures = 0
        bound = min(self._patience.cap, self._patience.base * 2.0 ** min(self._failures, DOUBLINGS))
        self._failures += 1
        return self._roll() * bound if wish_seconds is None else wish_seconds * (1 + self._roll())
