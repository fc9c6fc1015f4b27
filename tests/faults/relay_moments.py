"""Group 4: the relay is struck where it is between log and Redis, and another one may be at work beside it.

Imported when Django is up.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from uuid import UUID

from outbox.clock import CLOCK
from outbox.looping import RelayLoop
from outbox.publisher import APPEND, SHA, RedisPublisher
from outbox.redis import client
from outbox.relay import drain
from tests.faults import people
from tests.faults.cells import rest
from tests.faults.outbox_strikes import STRIKES, Scene, looping, repeating
from tests.faults.reading import (
    Reader,
    is_in_redis,
    is_published,
    lose_tail,
    reading,
    watch_cursors,
    went_back,
)
from tests.faults.system import Hit, NeverHappened, System, wait_for
from workflows.models import Run

BODY = "workflows.execute.before@charge.forward"
KEPT = 3  # events that Redis still has of a run whose tail it lost
MOVE = b"UPDATE outbox_stream AS s"
REWIND = b'UPDATE "outbox_stream" SET "published"'
# After a fault, until what was committed is in Redis.
PUBLISHED_SECONDS = 3.0
SLOWLY_SECONDS = 10.0  # three batches with a few dozen messages each, 40 ms apiece


@dataclass(kw_only=True)
class RelayScene(Scene):
    """The relay waits at a failpoint; its run waits in the body of its second step.

    goes_back_to: what the relay's cursor must do, and no more.
    """

    run: UUID
    held: Hit
    goes_back_to: list[int] = field(default_factory=list)


def in_body(system: System, workflow: str = "faults-order") -> tuple[UUID, Hit]:
    """A run that waits in the body of its second step."""
    system.arm(BODY)
    run = people.start(workflow)
    return run, system.await_hit(BODY)


def another_relay() -> AbstractContextManager[None]:
    """The product's own loop in this process: it takes the shards that are free, or whose lease has ended."""
    return looping(RelayLoop())


def lawless_relay() -> AbstractContextManager[None]:
    """A relay that heeds no lease: it publishes everything there is, again and again."""
    return repeating(lambda: drain(RedisPublisher(client()), clock=CLOCK))


def _at(point: str, *, in_database: bool = False) -> Callable[[System], RelayScene]:
    """The relay with the first events of a run, at `point`."""

    def reach(system: System) -> RelayScene:
        system.arm(point)
        run, held = in_body(system)
        return _scene(system, run, system.await_hit(point), held, in_database=in_database)

    return reach


def _scene(system: System, run: UUID, hit: Hit, held: Hit, *, in_database: bool = False) -> RelayScene:
    gates = (system.gates["relay"], system.redis_gates["streams-of-relay"])
    client().script_load(APPEND)  # else the first answer that is lost would be that the script is unknown
    return RelayScene(
        system=system,
        run=run,
        hit=hit,
        held=held,
        gates=gates,
        gate=gates[0] if in_database else gates[1],
        loses=MOVE if in_database else SHA.encode(),
        role="relay",
        lease_seconds=10.0 * system.scale,
        is_done=lambda: is_published(run),
        another=another_relay,
        lawless=lawless_relay,
    )


def _between_batches(system: System) -> RelayScene:
    """A backlog of several batches: the first one is told, and the relay would go on."""
    system.arm("outbox.relay.claimed")
    run, held = in_body(system)
    claimed = system.await_hit("outbox.relay.claimed")
    system.arm("outbox.relay.settled")
    claimed.go_on()
    return _scene(system, run, system.await_hit("outbox.relay.settled"), held)


def _rewinding(system: System) -> RelayScene:
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


def _lease_lost(system: System) -> RelayScene:
    """The relay is about to send what another one, which has its shards by now, has sent already, and more."""
    scene = _at("outbox.relay.encoded")(system)
    with another_relay():
        scene.await_done()
    return scene


def _leased(system: System) -> RelayScene:
    """Before a pass; the run begins while the relay waits there."""
    system.arm("outbox.relay.leased")
    hit = system.await_hit("outbox.relay.leased")
    run, held = in_body(system)
    return _scene(system, run, hit, held)


MOMENTS: dict[str, Callable[[System], RelayScene]] = {
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
        limit = SLOWLY_SECONDS if strike == "D" else PUBLISHED_SECONDS
        # Before anything else is written, which would make the relay look again.
        wait_for("what was under way in Redis", lambda: is_in_redis(scene.run), seconds=limit)
        scene.held.go_on()
        if rest(scene.run) != "completed":
            raise NeverHappened("the run did not complete")
        wait_for("everything in Redis", lambda: is_in_redis(scene.run), seconds=limit)
    found = _faults_of(scene, reader)
    if found:
        raise NeverHappened("; ".join(found))
    return [scene.run]


def _faults_of(scene: RelayScene, reader: Reader) -> list[str]:
    back = went_back(scene.run)
    return [
        *reader.faults_of(scene.run),
        *[f"the firehose lacks {seq}" for seq in reader.missed(scene.run)],
        *([f"the cursor went back: {back}"] if [to for _, to in back] != scene.goes_back_to else []),
    ]
