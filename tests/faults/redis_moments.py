"""Group 5: what happens to Redis, and when. The log has everything, so nothing may be missing, doubled or in disorder.

Imported when Django is up.
"""

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from tests.faults import people
from tests.faults.cells import rest
from tests.faults.reading import (
    Reader,
    faults_of_stream,
    head,
    in_redis,
    is_in_redis,
    is_published,
    reading,
    watch_cursors,
    went_back,
)
from tests.faults.redis_server import RedisServer
from tests.faults.relay_moments import BODY
from tests.faults.system import Hit, NeverHappened, System, wait_for
from workflows.models import Run

FIRST_BODY = "workflows.execute.before@reserve.forward"
AWAY_SECONDS = 0.5  # how long Redis takes nothing, or answers nobody
BACKLOG_RUNS = 3


def _nothing(redis: RedisServer) -> None:
    """This fault needs none of it."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """before: while the run has only begun; its later events may be lost. after: Redis is well again.

    loses_tail: Redis has the beginning only, and the relay must go back to it. forgets: it knows nothing any more, so
    the stream goes on with what comes next. seconds: from then on until everything has been published.
    """

    before: Callable[[RedisServer], None] = _nothing
    strike: Callable[[RedisServer], None] = _nothing
    after: Callable[[RedisServer], None] = _nothing
    is_half_open: bool = False
    loses_tail: bool = False
    forgets: bool = False
    seconds: float = 5.0


FAULTS = {
    "restart": Fault(strike=RedisServer.restart),
    "empty": Fault(strike=RedisServer.restart_empty, forgets=True),
    "flush": Fault(strike=RedisServer.flush, forgets=True),
    "tail-loss": Fault(
        before=RedisServer.keep_replica, strike=RedisServer.come_back_as_kept, loses_tail=True
    ),
    "old-backup": Fault(before=RedisServer.keep_copy, strike=RedisServer.come_back_as_kept, loses_tail=True),
    "oom": Fault(strike=RedisServer.fill, after=RedisServer.make_room),
    "readonly": Fault(strike=RedisServer.refuse_writes, after=RedisServer.accept_writes),
    # Whoever waited for an answer then does so until its own time-out.
    "half-open": Fault(is_half_open=True, seconds=15.0),
}


@dataclass
class Scene:
    """A run that waits in the body of its first step, with all so far in Redis."""

    system: System
    fault: Fault
    run: UUID
    held: Hit

    def strike(self) -> None:
        if self.fault.is_half_open:
            for gate in self.system.redis_gates.values():
                gate.swallow()
        self.fault.strike(self.system.redis)

    def heal(self) -> None:
        self.fault.after(self.system.redis)
        for gate in self.system.redis_gates.values():
            gate.heal()

    def await_published(self) -> None:
        wait_for("all of it published", lambda: is_published(self.run), seconds=5)


def _idle(scene: Scene) -> list[UUID]:
    """Nothing is under way: the run waits for an answer, and gets it later."""
    scene.held.go_on()
    wait_for("the question", Run.objects.filter(pk=scene.run, state="waiting").exists, seconds=10)
    scene.await_published()
    published = head(scene.run)
    scene.strike()
    time.sleep(AWAY_SECONDS)
    scene.heal()
    people.answer(scene.run)
    wait_for("the answer in Redis", lambda: published + 1 in in_redis(scene.run), seconds=scene.fault.seconds)
    if scene.fault.forgets and in_redis(scene.run)[0] != published + 1:
        raise NeverHappened(f"the stream begins at {in_redis(scene.run)[0]}, not after {published}")
    return [scene.run]


def _mid_batch(scene: Scene) -> list[UUID]:
    """The relay is about to send what it has read."""
    scene.system.arm(BODY)
    scene.held.go_on()
    body = scene.system.await_hit(BODY)
    scene.await_published()
    scene.system.arm("outbox.relay.encoded")
    body.go_on()
    relay = scene.system.await_hit("outbox.relay.encoded")
    scene.strike()
    relay.go_on()
    time.sleep(AWAY_SECONDS)
    scene.heal()
    return [scene.run]


def _backlog(scene: Scene) -> list[UUID]:
    """Runs have ended that Redis knows nothing of, or only the beginning."""
    scene.system.arm(BODY)
    scene.held.go_on()
    body = scene.system.await_hit(BODY)
    scene.await_published()
    relay = scene.system.pid("relay")
    scene.system.signal(relay, signal.SIGSTOP)
    body.go_on()
    runs = [scene.run, *(people.start("faults-order") for _ in range(BACKLOG_RUNS))]
    for run in runs:
        rest(run)
    scene.strike()
    scene.system.signal(relay, signal.SIGCONT)
    time.sleep(AWAY_SECONDS)
    scene.heal()
    return runs


def _after_terminal(scene: Scene) -> list[UUID]:
    """The run has ended; later a person lets it go on."""
    scene.held.go_on()
    if rest(scene.run) != "failed":
        raise NeverHappened("the run did not fail")
    scene.await_published()
    scene.strike()
    time.sleep(AWAY_SECONDS)
    scene.heal()
    found = list(faults_of_stream(scene.run))
    if found:
        raise NeverHappened("; ".join(found))
    people.retry(scene.run)
    return [scene.run]


MOMENTS: dict[str, tuple[Callable[[Scene], list[UUID]], str, dict[str, object]]] = {
    "idle": (_idle, "faults-asking", {}),
    "mid-batch": (_mid_batch, "faults-order", {}),
    "backlog": (_backlog, "faults-order", {}),
    "after-terminal": (_after_terminal, "faults-reopened", {"breaks": ["charge"]}),
}


def play(moment: str, fault: str, system: System) -> list[UUID]:
    """One cell of group 5."""
    act, workflow, values = MOMENTS[moment]
    watch_cursors()
    with reading() as reader:
        system.arm(FIRST_BODY)
        run = people.start(workflow, **values)
        scene = Scene(system, FAULTS[fault], run, system.await_hit(FIRST_BODY))
        scene.await_published()
        scene.fault.before(system.redis)
        try:
            runs = act(scene)
        finally:
            scene.heal()
        _finish(runs, reader, seconds=scene.fault.seconds)
        _finish([people.start("faults-order")], reader, seconds=scene.fault.seconds)  # the system goes on
    if bool(went_back(run)) is not scene.fault.loses_tail:
        raise NeverHappened(f"the relay went back: {went_back(run)}")
    return runs


def _finish(runs: list[UUID], reader: Reader, *, seconds: float) -> None:
    for run in runs:
        if rest(run) != "completed":
            raise NeverHappened(f"run {run} did not complete")
    for run in runs:
        wait_for("everything in Redis", lambda run=run: is_in_redis(run), seconds=seconds)
    found = [fault for run in runs for fault in reader.faults_of(run)]
    if found:
        raise NeverHappened("; ".join(found))
