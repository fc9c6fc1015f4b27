"""One heartbeat thread a process renews the leases of all its attempts, and notices those it lost."""

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

from outbox.connections import drop_broken
from workflows.engine.lease import Lease

logger = logging.getLogger(__name__)

Renew = Callable[[Collection[Lease]], set[UUID]]


@dataclass
class Held:
    """A lease under renewal. renewed_at: monotonic, from before the renewal was sent. lost: tells the handler."""

    lease: Lease
    renewed_at: float
    lost: threading.Event = field(default_factory=threading.Event)


class Heartbeat:
    """Beats while there are leases. `renew` writes and returns the tokens that are lost. Times in seconds."""

    def __init__(
        self,
        renew: Renew,
        *,
        interval: Callable[[], float],
        lease: Callable[[], float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._renew = renew
        self._interval = interval
        self._lease = lease
        self._clock = clock
        self._lock = threading.Lock()
        self._held: dict[UUID, Held] = {}
        self._thread: threading.Thread | None = None
        self._pause = threading.Event()

    @contextmanager
    def hold(self, lease: Lease) -> Iterator[threading.Event]:
        """Renew `lease` until the block ends. The event is set once the lease is lost, or may be."""
        held = Held(lease, self._clock())
        with self._lock:
            self._held[lease.token] = held
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._work, name="longhaul-heartbeat", daemon=True)
                self._thread.start()
        try:
            yield held.lost
        finally:
            with self._lock:
                self._held.pop(lease.token, None)

    def beat(self) -> None:
        """Renew once. A database that is away costs a beat: the lease outlives several."""
        with self._lock:
            held = list(self._held.values())
        if not held:
            return
        sent_at = self._clock()
        try:
            lost = self._renew([one.lease for one in held])
        except Exception as error:  # whatever the database says: the next beat asks again
            logger.warning("heartbeat failed", extra={"leases": len(held), "error": type(error).__name__})
            self._give_up_overdue(held)
            return
        for one in held:
            if one.lease.token in lost:
                one.lost.set()
            else:
                one.renewed_at = sent_at

    def _give_up_overdue(self, held: Collection[Held]) -> None:
        """Stop in time: when the next beat would come after the lease has run out, another may begin then."""
        for one in held:
            if self._clock() - one.renewed_at + self._interval() >= self._lease():
                one.lost.set()

    def _work(self) -> None:
        while not self._pause.wait(self._interval()):
            drop_broken()
            self.beat()
