"""Group 6: what happens to PostgreSQL itself, met at four moments; a person starts one more run meanwhile."""

import random
import signal
import threading
import time
import urllib.error
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from tests.faults import people
from tests.faults.postgres_crashes import Failover, FailoverBehind, PointInTime, Restart, Snapshot
from tests.faults.postgres_faults import Connections, Fault, Full, ReadOnly
from tests.faults.postgres_locks import Locks
from tests.faults.system import Hit, NeverHappened, System, wait_for

CHARGE = "workflows.execute.before@charge.forward"
RELAY = ("outbox.relay.claimed", "outbox.relay.encoded", "outbox.relay.appended")
POINTS = {"mid-batch": RELAY, "backlog": (CHARGE,), "after-terminal": (CHARGE,)}
HOLD_SECONDS = 0.8
REACH_SECONDS = 20.0


@dataclass(kw_only=True)
class Met:
    """A moment. `runs`: all that there are; `open`: those under way; `vanishing`: begun after the mark.

    `go_on` is done once the fault has begun; `too_late` once it is over and another relay has done its work.
    """

    runs: list[UUID]
    open: list[UUID] = field(default_factory=list)
    vanishing: list[UUID] = field(default_factory=list)
    go_on: Callable[[], None] = lambda: None
    too_late: Callable[[], None] | None = None


def _finish(run: UUID) -> UUID:
    """Its end, and everything of it in Redis."""
    from tests.faults.cells import rest

    rest(run)
    _await_published(run)
    return run


def _await_published(run: UUID) -> None:
    from outbox.models import Stream

    wait_for("the run in Redis", Stream.objects.filter(key=run, dirty=False).exists, seconds=REACH_SECONDS)


def _await_all_published() -> None:
    """The next events that the relay reads are new ones."""
    from outbox.models import Stream

    dirty = Stream.objects.filter(dirty=True)
    wait_for("everything in Redis", lambda: not dirty.exists(), seconds=REACH_SECONDS)


def _await_items(run: UUID) -> None:
    """Charge is in its body, and has told something since the mark."""
    from workflows.models import Item

    wait_for("charge at work", Item.objects.filter(step__run=run).exists, seconds=REACH_SECONDS)


def _at_charge(system: System) -> tuple[UUID, Hit]:
    """A run whose charge is about to begin; what came before is in Redis."""
    system.arm(CHARGE)
    run = people.start("faults-order", hold_seconds=HOLD_SECONDS)
    hit = system.await_hit(CHARGE)
    return run, hit


def _idle(system: System, fault: Fault, roll: random.Random) -> Met:
    """Nothing is under way. What was done since the mark vanishes as a whole."""
    before = _finish(people.start("faults-order"))
    fault.mark()
    since = _finish(people.start("faults-order"))
    return Met(runs=[before, since], vanishing=[since])


def _mid_batch(system: System, fault: Fault, roll: random.Random) -> Met:
    """The relay has read events of a run under way, or Redis has just taken them."""
    run, hit = _at_charge(system)
    _await_all_published()
    fault.mark()
    point = roll.choice(RELAY)
    system.arm(point)
    hit.go_on()
    relay = system.await_hit(point)
    _await_items(run)
    return Met(runs=[run], open=[run], go_on=relay.go_on)


def _late(system: System, fault: Fault, roll: random.Random) -> Met:
    """As in the middle of a batch, but the relay is held up until another one has noticed."""
    met = _mid_batch(system, fault, roll)
    return Met(runs=met.runs, open=met.open, too_late=met.go_on)


def _relay_once() -> None:
    """What another relay does on the database as it is now."""
    from outbox.clock import CLOCK
    from outbox.epochs import notice_restore
    from outbox.publisher import RedisPublisher
    from outbox.redis import client
    from outbox.relay import drain

    notice_restore(clock=CLOCK)
    drain(RedisPublisher(client()), clock=CLOCK)


def _backlog(system: System, fault: Fault, roll: random.Random) -> Met:
    """Events wait for a relay that is stopped."""
    pid = system.pid("relay")
    system.signal(pid, signal.SIGSTOP)
    others = [people.start("faults-order", hold_seconds=HOLD_SECONDS) for _ in range(2)]
    run, hit = _at_charge(system)
    fault.mark()
    hit.go_on()
    _await_items(run)
    runs = [*others, run]
    return Met(runs=runs, open=runs, go_on=lambda: system.signal(pid, signal.SIGCONT))


def _after_terminal(system: System, fault: Fault, roll: random.Random) -> Met:
    """A run has just ended, and everybody has heard of it."""
    run, hit = _at_charge(system)
    fault.mark()
    hit.go_on()
    return Met(runs=[_finish(run)])


FAULTS: dict[str, type[Fault]] = {
    "restart": Restart,
    "failover": Failover,
    "loss": FailoverBehind,
    "connections": Connections,
    "locks": Locks,
    "full": Full,
    "readonly": ReadOnly,
}

MOMENTS: dict[str, Callable[[System, Fault, random.Random], Met]] = {
    "idle": _idle,
    "mid-batch": _mid_batch,
    "backlog": _backlog,
    "after-terminal": _after_terminal,
}


class Visitor:
    """A person who starts a run while the fault lasts, and asks again with the same key until there is an answer."""

    def __init__(self) -> None:
        self._key = str(uuid4())
        self._given_up = threading.Event()
        self.run: UUID | None = None
        self._thread = threading.Thread(target=self._start, daemon=True)
        self._thread.start()

    def _start(self) -> None:
        while self.run is None and not self._given_up.is_set():
            try:
                self.run = people.start("faults-order", key=self._key, tries=1)
            except (urllib.error.URLError, OSError, ValueError):
                time.sleep(0.05)

    def answer(self) -> UUID:
        """Raises NeverHappened."""
        try:
            wait_for("an answer to the visitor", lambda: self.run is not None, seconds=20)
        finally:
            self._given_up.set()
        assert self.run is not None
        if people.start("faults-order", key=self._key) != self.run:
            raise NeverHappened("I20: one key has made two runs")
        return self.run


def _play(
    kind: type[Fault], meet: Callable[[System, Fault, random.Random], Met]
) -> Callable[[System, random.Random], list[UUID]]:
    def play(system: System, roll: random.Random) -> list[UUID]:
        from django.db import connections

        from tests.faults.cells import rest
        from tests.faults.losses import faults_of_loss, told_of

        fault = kind(system.postgres, roll)
        fault.prepare()
        met = meet(system, fault, roll)
        told = told_of(met.runs)
        fault.begin(met.open)
        visitor = Visitor()
        met.go_on()
        fault.end()
        connections.close_all()
        if met.too_late is not None:
            _relay_once()
            met.too_late()
        left = [run for run in met.runs if fault.keeps or run not in met.vanishing]
        runs = [*left, visitor.answer()]
        for run in runs:
            if (state := rest(run)) != "completed":
                raise NeverHappened(f"run {run} ended {state}")
        if wrong := faults_of_loss(told, keeps=fault.keeps):
            raise NeverHappened("; ".join(wrong))
        return runs

    return play


def postgres_cells() -> dict[str, Callable[[System, random.Random], list[UUID]]]:
    """The plays by name, without the group."""
    plays = {
        f"{moment}.{name}": _play(kind, meet)
        for moment, meet in MOMENTS.items()
        for name, kind in FAULTS.items()
    }
    return plays | {
        # Another way to lose, where there is a tail that everybody has seen.
        "after-terminal.loss": _play(PointInTime, _after_terminal),
        "after-terminal.snapshot": _play(Snapshot, _after_terminal),
        "mid-batch.snapshot": _play(Snapshot, _mid_batch),
        "mid-batch.late": _play(FailoverBehind, _late),
    }
