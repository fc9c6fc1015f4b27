"""What happens to a relay that waits at a failpoint, and the other relays that may be at work beside it.

Imported when Django is up.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

from django.db import connections

from outbox.clock import CLOCK
from outbox.looping import RelayLoop
from outbox.publisher import APPEND, RedisPublisher
from outbox.redis import client
from outbox.relay import drain
from tests.faults.gate import Gate
from tests.faults.reading import is_published
from tests.faults.system import Hit, System, wait_for

AWAY_SECONDS = 0.3
BESIDE_SECONDS = 0.2
ZOMBIE_SECONDS = 0.5  # for what it does after it has woken up
SLOW_SECONDS = 0.02  # each way, for each message; ten times what a busy network needs


@dataclass
class Scene:
    """The relay waits at a failpoint; its run waits in the body of its second step."""

    system: System
    run: UUID
    hit: Hit
    held: Hit
    gate: Gate  # on the way of the relay's next effect
    loses: bytes  # that effect, as the gate sees it
    goes_back_to: list[int] = field(default_factory=list)  # what the relay's cursor must do, and no more

    @property
    def gates(self) -> tuple[Gate, Gate]:
        return self.system.gates["relay"], self.system.redis_gates["streams-of-relay"]

    @property
    def lease_seconds(self) -> float:
        return 10.0 * self.system.scale


@contextmanager
def another_relay() -> Iterator[None]:
    """The product's own loop in this process: it takes the shards that are free, or whose lease has ended."""
    loop = RelayLoop()
    with _thread(loop.run):
        try:
            yield
        finally:
            loop.stop()


@contextmanager
def lawless_relay() -> Iterator[None]:
    """A relay that heeds no lease: it publishes everything there is, again and again."""
    done = threading.Event()

    def relay() -> None:
        while not done.is_set():
            drain(RedisPublisher(client()), clock=CLOCK)
            time.sleep(0.002)

    with _thread(relay):
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

    thread = threading.Thread(target=run, name="another relay", daemon=True)
    thread.start()
    try:
        yield  # and whoever asked tells it to end
    finally:
        thread.join()


def kill(scene: Scene) -> None:
    scene.system.signal(scene.hit.pid, signal.SIGKILL)


def freeze(scene: Scene) -> None:
    """SIGSTOP until another relay has taken its shards and published, then SIGCONT: a zombie goes on."""
    scene.hit.go_on("stop")
    scene.system.await_stop(scene.hit)
    with another_relay():
        await_published(scene)
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
    client().script_load(APPEND)  # else the first answer would be that the script is unknown
    scene.gate.lose_next(scene.loses)
    scene.hit.go_on()
    wait_for("an answer lost", scene.gate.lost.is_set, seconds=10)


def slow(scene: Scene) -> None:
    """Database and Redis are slow from now on."""
    for gate in scene.gates:
        gate.delay_seconds = SLOW_SECONDS
    scene.hit.go_on()


def double(scene: Scene) -> None:
    """Another relay has done the same, whoever has the lease, and is at work beside it."""
    with lawless_relay():
        await_published(scene)
        scene.hit.go_on()
        time.sleep(BESIDE_SECONDS)


def part(scene: Scene) -> None:
    """No byte to or from its database and Redis for longer than its lease; another relay takes over."""
    for gate in scene.gates:
        gate.freeze()
    scene.hit.go_on()
    with another_relay():
        time.sleep(scene.lease_seconds * 1.3)
        await_published(scene)
    for gate in scene.gates:
        gate.thaw()
    time.sleep(ZOMBIE_SECONDS)


def await_published(scene: Scene) -> None:
    wait_for("the other relay's work", lambda: is_published(scene.run), seconds=10)


STRIKES: dict[str, Callable[[Scene], None]] = {
    "K": kill,
    "Z": freeze,
    "E": cut,
    "L": lose_answer,
    "D": slow,
    "2": double,
    "P": part,
}
