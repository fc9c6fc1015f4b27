"""The loop that sends what is due: one thread for all rows, a bounded pool of threads for the network.

It is a process of its own (`manage.py webhooks`), so that no receiver, however slow, takes a thread, a slot or the
interpreter from relay, sweeper or steps. Any number may run: claims are leases.
"""

import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from outbox.clock import CLOCK, Clock
from outbox.connections import PASSING, drop_broken
from outbox.failpoints import failpoint
from outbox.webhooks.conf import conf
from outbox.webhooks.connecting import Resolve, resolve
from outbox.webhooks.deliveries import Claimed, claim, purge, settle
from outbox.webhooks.schedule import Answer
from outbox.webhooks.sending import Limits, post

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
PURGE_EVERY_SECONDS = 600.0
# For tries that are under way at a stop; what they deliver after it is delivered once more by another process.
GRACE_SECONDS = 10.0


class Deliverer:
    """Use it from one thread only. `resolve`: finds the addresses of a host."""

    def __init__(
        self,
        *,
        clock: Clock = CLOCK,
        roll: Callable[[], float] = random.random,
        resolve: Resolve = resolve,
    ) -> None:
        self._clock = clock
        self._roll = roll
        self._resolve = resolve
        self._threads = conf().webhook_concurrency
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="webhook")
        self._under_way: dict[Future[Answer], Claimed] = {}
        self._purge_at = 0.0

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set. A database that is away only makes it wait."""
        while not stop.is_set():
            drop_broken()
            try:
                self.turn()
                self._purge_now_and_then()
            except PASSING as error:
                logger.warning("database away; deliveries wait", extra={"error": type(error).__name__})
                stop.wait(POLL_SECONDS)
                continue
            self._rest(stop)
        try:
            self.close(grace_seconds=GRACE_SECONDS)
        except PASSING as error:
            logger.warning(
                "answers not settled; their tries count as lost", extra={"error": type(error).__name__}
            )

    def drain(self) -> None:
        """Send what is due now and settle it."""
        self.turn()
        while self._under_way:
            wait(self._under_way, return_when=FIRST_COMPLETED)
            self.turn()

    def turn(self) -> None:
        """Settle what was answered, then begin what is due."""
        for future in [future for future in self._under_way if future.done()]:
            failpoint("outbox.webhooks.posted")
            self._settle(future)
        busy = Counter(claimed.webhook_id for claimed in self._under_way.values())
        free = self._threads - len(self._under_way)
        begun = claim(busy=busy, free=free, clock=self._clock)
        now = self._clock.now()
        for claimed in begun:
            future = self._pool.submit(
                post, claimed.outgoing, limits=limits(), now=now, resolve=self._resolve
            )
            self._under_way[future] = claimed

    def close(self, *, grace_seconds: float = 0.0) -> None:
        """Begin nothing more; settle what is answered within the time."""
        done, _ = wait(self._under_way, timeout=grace_seconds)
        for future in done:
            self._settle(future)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _settle(self, future: Future[Answer]) -> None:
        claimed = self._under_way[future]
        try:
            settle(claimed, future.result(), clock=self._clock, roll=self._roll())
        except PASSING:  # the database's trouble: it is settled at the next turn
            raise
        except Exception:  # whatever is wrong with this one, it must not hold up the others
            logger.exception("delivery not settled", extra={"delivery": claimed.delivery_id})
        del self._under_way[future]

    def _rest(self, stop: threading.Event) -> None:
        if self._under_way:
            wait(self._under_way, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
        else:
            stop.wait(POLL_SECONDS)

    def _purge_now_and_then(self) -> None:
        """A batch a turn, so that it never holds up what is due."""
        if time.monotonic() >= self._purge_at and not purge(clock=self._clock):
            self._purge_at = time.monotonic() + PURGE_EVERY_SECONDS


def limits() -> Limits:
    settings = conf()
    return Limits(
        connect_seconds=settings.webhook_connect_timeout_seconds,
        total_seconds=settings.webhook_timeout_seconds,
        allow_http=settings.webhook_allow_http,
        allowed_networks=settings.webhook_allowed_networks,
    )
