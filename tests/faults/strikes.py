"""The faults: what happens to a process that waits at a failpoint. Each has a letter."""

import contextlib
import random
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from tests.faults.gate import Gate
from tests.faults.system import Hit, NeverHappened, System, wait_for

HOUR = 3_600
# A process that was cut off finds nobody for a moment.
AWAY_SECONDS = 0.3
# How long a zombie may do what it does: nothing of it may change anything.
ZOMBIE_SECONDS = 0.5


@dataclass
class Scene:
    """One cell at work: its system, its run, and what is to be undone after the run has come to rest."""

    system: System
    run: UUID
    hit: Hit
    roll: random.Random
    successor: str = ""  # the failpoint at which the next attempt can be met
    loses: bytes = b"COMMIT"  # the statement whose answer L loses; empty: any
    afterwards: list[Callable[[], None]] = field(default_factory=list)

    @property
    def gate(self) -> Gate:
        return self.system.gates[self.hit.owner]


def kill(scene: Scene) -> None:
    """SIGKILL"""
    scene.system.signal(scene.hit.pid, signal.SIGKILL)


def terminate(scene: Scene) -> None:
    """SIGTERM, then SIGQUIT before it is done: the worker gives up in the middle of anything."""
    main = scene.system.pid(scene.hit.owner)
    scene.system.signal(main, signal.SIGTERM)
    time.sleep(0.2)
    scene.system.signal(main, signal.SIGQUIT)
    time.sleep(0.1)
    scene.hit.go_on()
    threading.Timer(scene.system.lease_seconds, scene.system.signal, (main, signal.SIGKILL)).start()


def freeze(scene: Scene) -> None:
    """SIGSTOP, then SIGCONT while its successor is at work, or when the run has come to rest: a zombie wakes up.

    Of the one relay, which sweeps too, for longer than a lease only: nothing would come to rest.
    """
    scene.hit.go_on("stop")
    scene.system.await_stop(scene.hit)
    if scene.successor:
        scene.system.arm(scene.successor)
        successor = scene.system.await_hit(scene.successor)
        scene.system.signal(scene.hit.pid, signal.SIGCONT)
        time.sleep(ZOMBIE_SECONDS)
        successor.go_on()
        return
    if scene.hit.owner == "relay":
        time.sleep(scene.system.lease_seconds * 1.3)
        scene.system.signal(scene.hit.pid, signal.SIGCONT)
        return

    def wake() -> None:
        scene.system.signal(scene.hit.pid, signal.SIGCONT)
        time.sleep(ZOMBIE_SECONDS)

    scene.afterwards.append(wake)


def cut(scene: Scene) -> None:
    """Its connections are reset, and for a moment there are no new ones."""
    scene.gate.refuses = True
    scene.gate.cut()
    scene.hit.go_on()
    time.sleep(AWAY_SECONDS)
    scene.gate.refuses = False


def lose_answer(scene: Scene) -> None:
    """What its worker commits next is done, and the answer lost; after a settled step, whatever is asked next."""
    names = [scene.hit.owner] if scene.hit.owner == "relay" else ["worker-a", "worker-b"]
    gates = [scene.gate] if scene.loses else [scene.system.gates[name] for name in names]
    for gate in gates:
        gate.lose_next(scene.loses)
    scene.hit.go_on()
    wait_for("an answer lost", lambda: any(gate.lost.is_set() for gate in gates), seconds=10)
    for gate in gates:
        gate.loses = None


def duplicate(scene: Scene) -> None:
    """A second message for every step that is not done arrives meanwhile."""
    from workflows.dispatch import Link, count_messages, send
    from workflows.models import Step
    from workflows.states import STEP_TERMINAL

    # The first worker holds the run's lock at some moments: reading takes none.
    for step in Step.objects.filter(run_id=scene.run).exclude(state__in=sorted(STEP_TERMINAL)):
        send([Link(step_id=step.id, queue=step.queue, hard_limit_seconds=60, label=step.name)])
    with contextlib.suppress(
        NeverHappened
    ):  # they may wait for the run's lock, and go on when the first one does
        wait_for("the doubled messages taken", lambda: not count_messages(["default"])["default"], seconds=3)
    time.sleep(0.2)
    scene.hit.go_on()


def part(scene: Scene) -> None:
    """No byte to or from its database for longer than its lease, and no word that it is so."""
    scene.gate.freeze()
    scene.hit.go_on()
    time.sleep(scene.system.lease_seconds * 1.3)
    scene.gate.thaw()


def shift_clock(scene: Scene) -> None:
    """Its clock is an hour wrong from now on."""
    scene.hit.go_on(f"clock:{scene.roll.choice([HOUR, -HOUR])}")

    def replace() -> None:
        scene.system.signal(scene.hit.pid, signal.SIGKILL)

    scene.afterwards.append(replace)


STRIKES: dict[str, Callable[[Scene], None]] = {
    "K": kill,
    "T": terminate,
    "Z": freeze,
    "E": cut,
    "L": lose_answer,
    "2": duplicate,
    "P": part,
    "C": shift_clock,
}
