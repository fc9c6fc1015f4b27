"""What readers tell the relay: that a run is watched and lags, and that they have seen more of it than the log has.

Both are hints. They cost the relay a look, and change nothing by themselves. What this process itself has read of the
database, and finds gone, is no hint: the log starts anew.
"""

import asyncio
import logging
import math
from collections.abc import Callable
from functools import partial
from uuid import UUID

from django.db import Error

from outbox import epochs, nudge, wire
from outbox.clock import CLOCK
from streaming.conf import conf
from streaming.gateway.log import Tip
from streaming.gateway.reads import read

logger = logging.getLogger(__name__)


class Naming:
    """Names one watched run to the relay while Redis lacks a part of its log: at most once a heartbeat.

    After an outage the relay has a backlog; what somebody looks at goes first.
    """

    def __init__(self, run: UUID) -> None:
        self._run = run
        self._next_at = -math.inf
        self._telling: asyncio.Task[None] | None = None

    def see(self, tip: Tip) -> None:
        """The log's tip was read. Never waits: the nudge, up to 50 ms long, is a thread's."""
        loop = asyncio.get_running_loop()
        if not tip.is_waiting or loop.time() < self._next_at:
            return
        self._next_at = loop.time() + conf().heartbeat_seconds
        self._telling = loop.create_task(read(nudge.wake_relay, wire.shard_of(self._run), self._run))


async def report_ahead(run: UUID) -> None:
    """A reader says it has seen more of the run than the log has: let the relay compare it with Redis."""
    await _tell(run, partial(epochs.suspect, run))


async def report_shrunk(run: UUID, *, epoch: int) -> None:
    """We have read a higher head of this epoch ourselves: the database was restored, also where Redis has forgotten."""
    await _tell(run, partial(epochs.start_new_epoch, run, seen=epoch, clock=CLOCK))


async def _tell(run: UUID, what: Callable[[], object]) -> None:
    try:
        await read(what)
    except Error as error:  # a database that cannot be written just now is no reason not to tell the reader
        logger.warning("log not marked for the relay", extra={"run": run, "error": type(error).__name__})
