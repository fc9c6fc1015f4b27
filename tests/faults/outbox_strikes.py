"""What happens to a process of the outbox that waits at a failpoint while another one may be at work beside it.

Imported when Django is up.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from django.db import connections

from outbox import wire
from outbox.clock import CLOCK
from outbox.connections import PASSING, drop_broken
from outbox.models import ShardLease
from tests.faults.gate import Gate
from tests.faults.system import START_SECONDS, Hit, System, wait_for

AWAY_SECONDS = 0.3
BESIDE_SECONDS = 0.2
ZOMBIE_SECONDS = 0.5  # for what it does after it has woken up
SLOW_SECONDS = 0.02  # each way, for each message; ten times what a busy network needs
DONE_SECONDS = 10.0


def _nothing() -> None:
    """Its time limit is over soon enough by itself."""


@dataclass(kw_only=True)
class Scene:
    """A process waits at a failpoint.

    gates: all its ways; gate: that of its next effect, which the gate knows by `loses`. is_done: whether what it was
    about to do is done, whoever did it. another: one that heeds leases; lawless: one that heeds none.
    is_locked: nobody else can do it as long as it waits. role: of its leases in the table of shards; end_leases: ends a
    time limit that no cell can wait for.
    """

    system: System
    hit: Hit
    gates: tuple[Gate, ...]
    gate: Gate
    loses: bytes
    role: str
    lease_seconds: float
    is_done: Callable[[], bool]
    another: Callable[[], AbstractContextManager[None]]
    lawless: Callable[[], AbstractContextManager[None]]
    is_locked: bool = False
    end_leases: Callable[[], None] = _nothing

    def await_done(self) -> None:
        wait_for("the other one's work", self.is_done, seconds=DONE_SECONDS)


class Loop(Protocol):
    """A loop of the product."""

    def run(self) -> None: ...
    def stop(self) -> None: ...


@contextmanager
def looping(loop: Loop) -> Iterator[None]:
    """It runs in a thread of this process."""
    with _thread(loop.run):
        try:
            yield
        finally:
            loop.stop()


@contextmanager
def repeating(work: Callable[[], object]) -> Iterator[None]:
    """`work` again and again in a thread of this process, whatever the database thinks of it."""
    done = threading.Event()

    def repeat() -> None:
        while not done.is_set():
            drop_broken()
            with suppress(*PASSING):
                work()
            time.sleep(0.002)

    with _thread(repeat):
        try:
            yield
        finally:
            done.set()


@contextmanager
def _thread(work: Callable[[], None]) -> Iterator[None]:
    def run() -> None:
        try:
            work()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run, name="another one", daemon=True)
    thread.start()
    try:
        yield  # and whoever asked tells it to end
    finally:
        thread.join()


def kill(scene: Scene) -> None:
    """SIGKILL. How long a new process takes to start is the machine's business, and not part of any limit here."""
    killed_at = CLOCK.now()
    scene.system.signal(scene.hit.pid, signal.SIGKILL)
    scene.end_leases()
    claimed_since = ShardLease.objects.filter(
        role=scene.role, until__gt=killed_at + timedelta(seconds=scene.lease_seconds)
    )
    wait_for(
        "another process in its place",
        lambda: claimed_since.count() == wire.SHARD_COUNT,
        seconds=START_SECONDS,
    )


def freeze(scene: Scene) -> None:
    """SIGSTOP until another one has taken over and done the work, then SIGCONT: a zombie goes on."""
    scene.hit.go_on("stop")
    scene.system.await_stop(scene.hit)
    scene.end_leases()
    with scene.another():
        scene.await_done()
    scene.system.signal(scene.hit.pid, signal.SIGCONT)
    time.sleep(ZOMBIE_SECONDS)


def cut(scene: Scene) -> None:
    """The connection for its next effect is reset, and for a moment there is no new one."""
    scene.gate.refuses = True
    scene.gate.cut()
    scene.hit.go_on()
    time.sleep(AWAY_SECONDS)
    scene.gate.refuses = False


def lose_answer(scene: Scene) -> None:
    """Its next effect is done, and the answer lost."""
    scene.gate.lose_next(scene.loses)
    scene.hit.go_on()
    wait_for("an answer lost", scene.gate.lost.is_set, seconds=10)


def slow(scene: Scene) -> None:
    """Everything it asks is slow from now on."""
    for gate in scene.gates:
        gate.delay_seconds = SLOW_SECONDS
    scene.hit.go_on()


def double(scene: Scene) -> None:
    """Another one has done the same, whoever has the lease, or waits to; it is at work beside it."""
    with scene.lawless():
        if scene.is_locked:
            time.sleep(BESIDE_SECONDS)
        else:
            scene.await_done()
        scene.hit.go_on()
        time.sleep(BESIDE_SECONDS)


def part(scene: Scene) -> None:
    """No byte on any of its ways for longer than its lease; another one takes over."""
    for gate in scene.gates:
        gate.freeze()
    scene.hit.go_on()
    with scene.another():
        time.sleep(scene.lease_seconds * 1.3)
        scene.await_done()
    for gate in scene.gates:
        gate.thaw()
    time.sleep(ZOMBIE_SECONDS)


STRIKES: dict[str, Callable[[Scene], None]] = {
    "K": kill,
    "Z": freeze,
    "E": cut,
    "L": lose_answer,
    "D": slow,
    "2": double,
    "P": part,
}
