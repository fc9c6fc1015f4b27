"""One heartbeat thread a process renews the leases of all its attempts, and tells them what it learns."""

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from outbox.connections import drop_broken, give_back
from workflows.engine.lease import Lease
from workflows.execution.signals import Signals

logger = logging.getLogger(__name__)


class Tend(Protocol):
    """The database's side. Both return tokens: of leases that are lost, and of runs that are being cancelled."""

    def renew(self, leases: Collection[Lease]) -> set[UUID]: ...
    def cancelled(self, leases: Collection[Lease]) -> set[UUID]: ...


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Seconds, read anew at each beat. poll: between looks for cancelled runs; renewal: of leases, `lease` long."""

    poll: Callable[[], float]
    renewal: Callable[[], float]
    lease: Callable[[], float]


@dataclass
class Held:
    """A lease under renewal. lost_at: monotonic, since when its body works for nothing."""

    lease: Lease
    signals: Signals
    lost_at: float | None = None


class Heartbeat:
    """Beats while there are leases. abandoned: called after each beat with the seconds that each lost body went on."""

    def __init__(
        self,
        tend: Tend,
        *,
        pace: Pace,
        abandoned: Callable[[Collection[float], int], None] = lambda ages, held: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tend = tend
        self._pace = pace
        self._abandoned = abandoned
        self._clock = clock
        self._lock = threading.Lock()
        self._held: dict[UUID, Held] = {}
        self._thread: threading.Thread | None = None
        self._pause = threading.Event()
        self._renewed_at = clock()

    @contextmanager
    def hold(self, lease: Lease, *, since: float) -> Iterator[Signals]:
        """Renew `lease` until the block ends, and tell what concerns it. since: monotonic, from before it was given."""
        signals = Signals(ends_at=since + self._pace.lease(), clock=self._clock)
        with self._lock:
            if not self._held:
                self._renewed_at = self._clock()
            self._held[lease.token] = Held(lease, signals)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._work, name="longhaul-heartbeat", daemon=True)
                self._thread.start()
        try:
            yield signals
        finally:
            with self._lock:
                self._held.pop(lease.token, None)

    def beat(self) -> None:
        """Renew if it is time, look for cancelled runs. A database that is away costs a beat: leases outlive it."""
        with self._lock:
            held = list(self._held.values())
        working = [one for one in held if not one.signals.is_lost]
        if working:
            try:
                self._ask(working)
            except Exception as error:  # whatever the database says: the next beat asks again
                logger.warning("heartbeat failed", extra={"leases": len(held), "error": type(error).__name__})
        self._count_abandoned(held)

    def _ask(self, working: Collection[Held]) -> None:
        asked_at = self._clock()
        leases = [one.lease for one in working]
        if asked_at - self._renewed_at >= self._pace.renewal():
            lost = self._tend.renew(leases)
            self._renewed_at = asked_at
            for one in working:
                if one.lease.token in lost:
                    one.signals.lost.set()
                else:  # from before the question: the row may have been written at once, or a second later
                    one.signals.ends_at = asked_at + self._pace.lease()
        for token in self._tend.cancelled(leases):
            next(one for one in working if one.lease.token == token).signals.stop.set()

    def _count_abandoned(self, held: Collection[Held]) -> None:
        """A body whose lease is gone was told by its next `ctx` call. One that makes none works on for nothing."""
        now = self._clock()
        lost = [one for one in held if one.signals.is_lost]
        for one in lost:
            one.lost_at = now if one.lost_at is None else one.lost_at
        # With nothing lost too: a process that has decided to end must hear of the time that passes.
        self._abandoned([now - one.lost_at for one in lost if one.lost_at is not None], len(held) - len(lost))

    def _work(self) -> None:
        while not self._pause.wait(self._pace.poll()):
            drop_broken()
            self.beat()
            if not self._held:
                give_back()  # nobody is at work: no connection waits for the next one
