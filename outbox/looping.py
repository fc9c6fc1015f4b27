"""The relay at work: it drains, then waits for wake-ups, so that an event leaves milliseconds after its commit.

Three wakers, any of which is enough: the names that commits push to the wake lists, the look into the database once a
second, and whoever starts the loop (Celery's beat, or `manage.py outbox relay`).
"""

import logging
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final, cast
from uuid import UUID

import redis
from django.db import DatabaseError, connection

from outbox import wire
from outbox.clock import CLOCK, Clock
from outbox.conf import conf
from outbox.connections import PASSING, drop_broken
from outbox.epochs import notice_restore
from outbox.failpoints import failpoint
from outbox.leases import ShardLeases
from outbox.publisher import RedisPublisher
from outbox.redis import client
from outbox.relay import Passed, relay_named, relay_pass

logger = logging.getLogger(__name__)

# Without a wake-up the database is looked at this often; with Redis away, Redis is.
POLL_SECONDS: Final = 1.0
NAMES_PER_TURN: Final = 100
UUID_CHARACTERS: Final = 36
PROBE_SECONDS: Final = 60
LEASE_RENEWALS: Final = 3  # within the time of a lease

AWAY = (redis.RedisError, *PASSING)


class RelayLoop:
    """One loop a process: asked to run while it runs, it only goes on for longer."""

    def __init__(self, *, clock: Clock = CLOCK) -> None:
        self._clock = clock
        self._stopping = threading.Event()
        self._state = threading.Lock()
        self._is_running = False
        self._until = 0.0

    def stop(self) -> None:
        """End `run()` within a poll, for good."""
        self._stopping.set()

    def run(self, *, seconds: float | None = None) -> None:
        """Relay for `seconds`, or until `stop()`. Returns at once where the loop runs already."""
        with self._state:
            wanted = time.monotonic() + seconds if seconds is not None else float("inf")
            self._until = max(self._until, wanted)
            if self._is_running:
                return
            self._is_running = True
        try:
            turns = _Turns(self._stopping, clock=self._clock)
            while not self._is_over():
                turns.turn()
        except BaseException:
            with self._state:  # not when it ended by itself: by now another one may run
                self._is_running, self._until = False, 0.0
            raise
        turns.end()

    def _is_over(self) -> bool:
        # Under the lock: whoever asks for more time either is heard, or finds that the loop has ended.
        with self._state:
            if self._stopping.is_set() or time.monotonic() >= self._until:
                self._is_running = False
                self._until = 0.0
                return True
            return False


class _Turns:
    """What one run of the loop knows. Each turn publishes something or waits, for a poll at most."""

    def __init__(self, stopping: threading.Event, *, clock: Clock) -> None:
        self._stopping = stopping
        self._clock = clock
        self._redis = client()
        self._publisher = RedisPublisher(self._redis)
        self._leases = ShardLeases("relay", clock=clock)
        self._shards: Sequence[int] = ()
        self._renew_at = self._scan_at = 0.0
        self._is_away = self._is_deaf = False
        self._session: Any = None  # the one whose database was looked at

    def turn(self) -> None:
        try:
            drop_broken()
            if (
                self._is_away
            ):  # one probe, and not a backlog read for nothing. A server may answer and take nothing.
                self._redis.set(wire.PROBE, 1, ex=PROBE_SECONDS)
                self._is_away = False
            self._take_turn()
        except AWAY as error:
            self._is_away = self._is_away or isinstance(error, redis.RedisError)
            logger.warning("Redis or database away; entries wait", extra={"error": type(error).__name__})
            self._wait()
        except Exception:  # a relay that ends of one turn publishes nothing at all
            logger.exception("a turn of the relay failed")
            self._wait()

    def _wait(self) -> None:
        self._scan_at = 0.0
        self._stopping.wait(POLL_SECONDS)

    def end(self) -> None:
        with suppress(*AWAY):
            self._leases.release()

    def _take_turn(self) -> None:
        self._hold_shards()
        if not self._shards:
            self._stopping.wait(POLL_SECONDS)
            return
        if self._session is not connection.connection or connection.connection is None:
            self._look_which_database()
        names = self._wait_for_names(seconds=self._scan_at - time.monotonic())
        passed = relay_named(self._publisher, names, clock=self._clock)
        self._scan_if_due(passed)

    def _hold_shards(self) -> None:
        if time.monotonic() < self._renew_at and self._shards:
            return
        self._shards = sorted(self._leases.hold())
        self._renew_at = time.monotonic() + conf().shard_lease_seconds / LEASE_RENEWALS
        self._session = None  # behind a pooler a session outlives its server
        failpoint("outbox.relay.leased")

    def _look_which_database(self) -> None:
        """Before anything is published from it."""
        try:
            notice_restore(clock=self._clock)
        except PASSING:
            raise
        except DatabaseError as error:  # a host may keep the question to itself
            extra = {"error": type(error).__name__}
            logger.warning(
                "the database does not say which one it is; a restore is noticed later", extra=extra
            )
        self._session = connection.connection

    def _scan_if_due(self, passed: Passed) -> None:
        """A backlog goes by slices, with the named streams between them."""
        if passed.more or time.monotonic() >= self._scan_at:
            passed = relay_pass(self._publisher, clock=self._clock, shards=self._shards)
            self._scan_at = 0.0 if passed.more else time.monotonic() + POLL_SECONDS

    def _wait_for_names(self, *, seconds: float) -> set[UUID]:
        """Streams that commits or readers named; empty when none was within `seconds`."""
        lists = [wire.wake(shard) for shard in self._shards]
        self._shards = [*self._shards[1:], self._shards[0]]  # Redis takes the first list that has something
        pop = partial(self._redis.blmpop, seconds) if seconds > 0 else self._redis.lmpop
        try:
            answer = pop(len(lists), *lists, direction="LEFT", count=NAMES_PER_TURN)
            self._is_deaf = False
        except redis.ResponseError as error:
            self._miss_names(error, seconds=seconds)
            return set()
        _, names = cast("tuple[bytes, list[bytes]]", answer or (b"", []))
        return {UUID(name.decode()) for name in names if len(name) == UUID_CHARACTERS}

    def _miss_names(self, error: redis.ResponseError, *, seconds: float) -> None:
        """A server that takes no writes, or one before 7.0: the look into the database goes on without names."""
        if not self._is_deaf:
            logger.warning("wake-ups cannot be heard", extra={"error": str(error)[:200]})
        self._is_deaf = True
        self._stopping.wait(max(0.0, seconds))
