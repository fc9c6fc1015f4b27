"""Group 9, the workers' half: rolling deploys, and beat and sweeper doubled or absent, with faults on top."""

import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

from config.supervisor import Program
from tests.faults import people
from tests.faults.programs import BEAT, relay_argv, worker_argv
from tests.faults.system import NeverHappened, System, beside, wait_for

RUNS = 6
SLOW_SECONDS = 0.02  # each way, for each message of the database

Play = Callable[[System, random.Random], list[UUID]]


def _runs(count: int = RUNS, **values: object) -> list[UUID]:
    return [people.start("faults-order", **values) for _ in range(count)]


def _finish(runs: list[UUID]) -> list[UUID]:
    from tests.faults.cells import rest

    ended = {run: rest(run, seconds=60) for run in runs}
    for run, state in ended.items():
        if state != "completed":
            raise NeverHappened(f"run {run} ended {state}")
    return runs


def restart(system: System, name: str, number: signal.Signals) -> None:
    """Its process ends by `number`, or is killed after two seconds; the supervisor starts it anew."""
    pid = system.pid(name)
    system.signal(pid, number)
    try:
        wait_for(f"{name} ended", lambda: system.supervisor.pids().get(name) != pid, seconds=2)
    except NeverHappened:
        system.signal(pid, signal.SIGKILL)


def _rolling(number: signal.Signals) -> Play:
    def play(system: System, roll: random.Random) -> list[UUID]:
        runs = _runs(hold_seconds=0.5)
        for name in ("worker-a", "worker-b"):
            time.sleep(roll.uniform(0.1, 0.5))
            restart(system, name, number)
            runs += _runs(2)
        return _finish(runs)

    return play


def _rolling_while_one_is_frozen(system: System, roll: random.Random) -> list[UUID]:
    runs = _runs(hold_seconds=0.5)
    frozen = [system.pid("worker-a"), *system.children("worker-a")]
    for pid in frozen:
        system.signal(pid, signal.SIGSTOP)
    restart(system, "worker-b", signal.SIGTERM)
    time.sleep(system.lease_seconds * 1.3)
    for pid in frozen:
        system.signal(pid, signal.SIGCONT)
    return _finish(runs)


def _two_releases(system: System, roll: random.Random) -> list[UUID]:
    """Workers of the old release get steps of the new one: they give them back unharmed, no attempt is spent."""
    from workflows.models import Step

    with beside(
        system, Program(name="old", argv=worker_argv("old", system.gates["worker-b"], release="old"))
    ):
        time.sleep(2.5)  # until it takes messages
        runs = [people.start("faults-order", version=2) for _ in range(RUNS)]
        _finish(runs)
    for step in Step.objects.filter(run__in=runs):
        if step.attempt_count != 1:
            raise NeverHappened(f"{step.name} took {step.attempt_count} attempts though nothing failed")
    return runs


@contextmanager
def _slow(system: System) -> Iterator[None]:
    for gate in system.gates.values():
        gate.delay_seconds = SLOW_SECONDS
    try:
        yield
    finally:
        for gate in system.gates.values():
            gate.delay_seconds = 0.0


def _slowly(play: Play) -> Play:
    def slow(system: System, roll: random.Random) -> list[UUID]:
        with _slow(system):
            return play(system, roll)

    return slow


def _doubled(disturb: Callable[[System], None]) -> Play:
    """Two beats and two relays with their sweepers, while steps are retried and one of each is disturbed."""

    def play(system: System, roll: random.Random) -> list[UUID]:
        twins = (
            Program(name="beat-2", argv=BEAT),
            Program(name="relay-2", argv=relay_argv("relay-2", system.gates["relay"])),
        )
        with beside(system, *twins):
            time.sleep(2.5)
            runs = _runs(stumbles=["charge"])
            disturb(system)
            return _finish(runs)

    return play


def _absent(disturb: Callable[[System], None]) -> Play:
    """Nobody sweeps for longer than a lease while workers are disturbed: what was missed is caught up on."""

    def play(system: System, roll: random.Random) -> list[UUID]:
        away = [system.pid("beat"), system.pid("relay")]
        for pid in away:
            system.signal(pid, signal.SIGSTOP)
        runs = _runs(hold_seconds=0.5, stumbles=["charge"])
        time.sleep(0.3)
        disturb(system)
        time.sleep(system.lease_seconds * 1.3)
        for pid in away:
            system.signal(pid, signal.SIGCONT)
        return _finish(runs)

    return play


def _nothing(system: System) -> None:
    """The disturbance is the doubling itself, or the slow database."""


def _kill(name: str) -> Callable[[System], None]:
    return lambda system: system.signal(system.pid(name), signal.SIGKILL)


def _freeze(name: str) -> Callable[[System], None]:
    def act(system: System) -> None:
        pids = [system.pid(name), *system.children(name)]
        for pid in pids:
            system.signal(pid, signal.SIGSTOP)
        time.sleep(system.lease_seconds * 1.3)
        for pid in pids:
            system.signal(pid, signal.SIGCONT)

    return act


OPERATIONS: dict[str, Play] = {
    "rolling.T": _rolling(signal.SIGTERM),
    "rolling.K": _rolling(signal.SIGKILL),
    "rolling.Z": _rolling_while_one_is_frozen,
    "rolling.V": _two_releases,
    "rolling.D": _slowly(_rolling(signal.SIGTERM)),
    "doubled.K": _doubled(_kill("relay")),
    "doubled.Z": _doubled(_freeze("relay")),
    "doubled.D": _slowly(_doubled(_nothing)),
    "absent.K": _absent(_kill("worker-a")),
    "absent.Z": _absent(_freeze("worker-a")),
    "absent.D": _slowly(_absent(_nothing)),
}
