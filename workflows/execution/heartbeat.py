"""One heartbeat thread a process renews the leases of all its attempts, and notices those it lost."""

import logging
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from uuid import UUID

from django.db import close_old_connections

from workflows.engine.lease import Lease

logger = logging.getLogger(__name__)

Renew = Callable[[Collection[Lease]], set[UUID]]


class Heartbeat:
    """Beats while there are leases. `renew` writes and returns the tokens that are lost."""

    def __init__(self, renew: Renew, *, interval_seconds: Callable[[], float]) -> None:
        self._renew = renew
        self._interval = interval_seconds
        self._lock = threading.Lock()
        self._held: dict[UUID, tuple[Lease, threading.Event]] = {}
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()

    @contextmanager
    def hold(self, lease: Lease) -> Iterator[threading.Event]:
        """Renew `lease` until the block ends. The event is set once the lease is known to be lost."""
        lost = threading.Event()
        with self._lock:
            self._held[lease.token] = (lease, lost)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._work, name="longhaul-heartbeat", daemon=True)
                self._thread.start()
        try:
            yield lost
        finally:
            with self._lock:
                self._held.pop(lease.token, None)

    def beat(self) -> None:
        """Renew once. A database that is away costs a beat, not the attempt: the lease outlives several beats."""
        with self._lock:
            held = dict(self._held)
        if not held:
            return
        try:
            lost = self._renew([lease for lease, _ in held.values()])
        except Exception as error:  # whatever the database says: the next beat asks again
            logger.warning("heartbeat failed", extra={"leases": len(held), "error": type(error).__name__})
            return
        for token in lost:
            held[token][1].set()

    def _work(self) -> None:
        while not self._wake.wait(self._interval()):
            close_old_connections()
            self.beat()
