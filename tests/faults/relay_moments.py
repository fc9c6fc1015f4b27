"""Group 4: the relay is struck where it is between log and Redis, and another one may be at work beside it.

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
from outbox.models import Stream
from outbox.publisher import APPEND, RedisPublisher
from outbox.redis import client
from outbox.relay import drain
from tests.faults import people
from tests.faults.cells import rest
from tests.faults.gate import Gate
from tests.faults.reading import Reader, in_redis, lose_tail, reading, watch_cursors, went_back
from tests.faults.system import Hit, NeverHappened, System, wait_for
from workflows.models import Run

BODY = "workflows.execute.before@charge.forward"
AWAY_SECONDS = 0.3
BESIDE_SECONDS = 0.2
SLOW_SECONDS = 0.02  # each way, for each message; ten times what a busy network needs
KEPT = 3  # events that Redis still has of a run whose tail it lost
SCRIPT_CALL = b"}:firehose"  # nobody but the append script names it beside a run's stream
MOVE = b"UPDATE outbox_stream AS s"
REWIND = b'UPDATE "outbox_stream" SET "published"'
# What was committed is in Redis: at once, but after the relay's end, when another process must start and get the lease.
PUBLISHED_SECONDS = 3.0
RESTARTED_SECONDS = 20.0


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


def head(run: UUID) -> int:
    return int(Stream.objects.get(key=run).head)


def is_in_redis(run: UUID) -> bool:
    """Whether Redis has the run's newest event."""
    return in_redis(run)[-1:] == [head(run)]


def is_published(run: UUID) -> bool:
    """Whether the relay says so, and has nothing to do."""
    stream = Stream.objects.get(key=run)
    return stream.published == stream.head and not stream.dirty


def in_body(system: System, workflow: str = "faults-order") -> tuple[UUID, Hit]:
    """A run that waits in the body of its second step."""
    system.arm(BODY)
    run = people.start(workflow)
    return run, system.await_hit(BODY)


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
        _await_published(scene)
    scene.system.signal(scene.hit.pid, signal.SIGCONT)


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
        _await_published(scene)
        scene.hit.go_on()
        time.sleep(BESIDE_SECONDS)


def part(scene: Scene) -> None:
    """No byte to or from its database and Redis for longer than its lease; another relay takes over."""
    for gate in scene.gates:
        gate.freeze()
    scene.hit.go_on()
    with another_relay():
        time.sleep(scene.lease_seconds * 1.3)
        _await_published(scene)
    for gate in scene.gates:
        gate.thaw()


def _await_published(scene: Scene) -> None:
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


def _at(point: str, *, in_database: bool = False) -> Callable[[System], Scene]:
    """The relay with the first events of a run, at `point`."""

    def reach(system: System) -> Scene:
        system.arm(point)
        run, held = in_body(system)
        return _scene(system, run, system.await_hit(point), held, in_database=in_database)

    return reach


def _scene(system: System, run: UUID, hit: Hit, held: Hit, *, in_database: bool = False) -> Scene:
    gate = system.gates["relay"] if in_database else system.redis_gates["streams-of-relay"]
    return Scene(system, run, hit, held, gate, MOVE if in_database else SCRIPT_CALL)


def _between_batches(system: System) -> Scene:
    """A backlog of several batches: the first one is told, and the relay would go on."""
    system.arm("outbox.relay.claimed")
    run, held = in_body(system)
    claimed = system.await_hit("outbox.relay.claimed")
    system.arm("outbox.relay.settled")
    claimed.go_on()
    return _scene(system, run, system.await_hit("outbox.relay.settled"), held)


def _rewinding(system: System) -> Scene:
    """Redis has lost the tail; the relay has noticed, and is about to note that in the database."""
    run = people.start("faults-asking")
    wait_for("the question", Run.objects.filter(pk=run, state="waiting").exists, seconds=10)
    wait_for("all of it published", lambda: is_published(run), seconds=5)
    lose_tail(run, keep=KEPT)
    system.arm("outbox.relay.rewound")
    system.arm(BODY)
    people.answer(run)
    scene = _scene(system, run, system.await_hit("outbox.relay.rewound"), system.await_hit(BODY))
    scene.gate, scene.loses = system.gates["relay"], REWIND
    scene.goes_back_to.append(KEPT)
    return scene


def _lease_lost(system: System) -> Scene:
    """The relay is about to send what another one, which has its shards by now, has sent already, and more."""
    scene = _at("outbox.relay.encoded")(system)
    with another_relay():
        _await_published(scene)
    return scene


def _leased(system: System) -> Scene:
    """Before a pass; the run begins while the relay waits there."""
    system.arm("outbox.relay.leased")
    hit = system.await_hit("outbox.relay.leased")
    run, held = in_body(system)
    return _scene(system, run, hit, held)


MOMENTS: dict[str, Callable[[System], Scene]] = {
    "claimed": _at("outbox.relay.claimed"),
    "before-append": _at("outbox.relay.encoded"),
    "appended": _at("outbox.relay.appended", in_database=True),
    "mid-batch": _between_batches,
    "rewind": _rewinding,
    "lease-lost": _lease_lost,
    "leased": _leased,
}


def play(moment: str, strike: str, system: System) -> list[UUID]:
    """One cell of group 4."""
    watch_cursors()
    with reading() as reader:
        scene = MOMENTS[moment](system)
        STRIKES[strike](scene)
        # Before anything else is written, which would make the relay look again.
        limit = RESTARTED_SECONDS if strike == "K" else PUBLISHED_SECONDS
        wait_for("what was under way in Redis", lambda: is_in_redis(scene.run), seconds=limit)
        scene.held.go_on()
        if rest(scene.run) != "completed":
            raise NeverHappened("the run did not complete")
        wait_for("everything in Redis", lambda: is_in_redis(scene.run), seconds=limit)
    found = _faults_of(scene, reader)
    if found:
        raise NeverHappened("; ".join(found))
    return [scene.run]


def _faults_of(scene: Scene, reader: Reader) -> list[str]:
    back = went_back(scene.run)
    return [
        *reader.faults_of(scene.run),
        *[f"the firehose lacks {seq}" for seq in reader.missed(scene.run)],
        *([f"the cursor went back: {back}"] if [to for _, to in back] != scene.goes_back_to else []),
    ]
