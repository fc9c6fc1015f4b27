"""Group 4, the other end of the firehose: a consumer is struck, or its group is, and another may be at work beside it.

Imported when Django is up.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from uuid import UUID

import redis
from django.db import connection

from config.supervisor import Program
from outbox import wire
from outbox.clock import CLOCK
from outbox.consumer import find
from outbox.consuming.logs import DatabaseLog
from outbox.consuming.loop import ConsumerLoop
from outbox.consuming.reader import Reader
from outbox.models import Entry, Inbox, ShardLease, Stream
from outbox.redis import client
from tests.faults import people
from tests.faults.cells import rest
from tests.faults.consumers import LEDGER, TABLE
from tests.faults.outbox_strikes import STRIKES, Scene, looping, repeating
from tests.faults.programs import manage_argv
from tests.faults.redis_moments import FIRST_BODY
from tests.faults.relay_moments import BODY
from tests.faults.system import START_SECONDS, Hit, NeverHappened, System, beside, wait_for

# After a fault, until what was under way is done: the log is compared every 3 s, failures wait up to 6 s.
APPLIED_SECONDS = 10.0


@contextmanager
def consuming(system: System, name: str, program: Program) -> Iterator[None]:
    """In a process of its own, a consumer that never was before: only what happens from here on is for it."""
    _forget(name)
    try:
        with beside(system, program):
            wait_for(f"{name} at work", lambda: _has_read_all(name), seconds=START_SECONDS)
            yield
    finally:
        _forget(name)


def _forget(name: str) -> None:
    Inbox.objects.filter(consumer=name).delete()
    ShardLease.objects.filter(role=find(name).role).delete()
    _destroy_groups(name)


def _destroy_groups(name: str) -> None:
    for firehose in _firehoses():
        with suppress(redis.ResponseError):  # nothing was ever told there
            client().xgroup_destroy(firehose, name)


def _firehoses() -> list[str]:
    return [wire.firehose(shard) for shard in range(wire.SHARD_COUNT)]


def _has_read_all(name: str) -> bool:
    if not Inbox.objects.filter(consumer=name, stream=Inbox.NO_STREAM).exists():
        return False
    with suppress(redis.ResponseError):  # it has not made its groups yet
        return all(_has_read(name, firehose) for firehose in _firehoses())
    return False


def _has_read(name: str, firehose: str) -> bool:
    last = client().xinfo_stream(firehose)["last-generated-id"]
    groups = {group["name"]: group for group in client().xinfo_groups(firehose)}
    group = groups.get(name.encode())
    return group is not None and group["last-delivered-id"] == last and not group["pending"]


def has_applied_all(name: str, run: UUID) -> bool:
    place = Inbox.objects.filter(consumer=name, stream=run).values_list("epoch", "seq").first()
    return place == Stream.objects.filter(key=run).values_list("epoch", "head").first()


def forget_groups(scene: Scene) -> None:
    """Redis knows the groups no more."""
    _destroy_groups(LEDGER)
    scene.hit.go_on()


def deliver_again(scene: Scene) -> None:
    """Redis knows the groups as they were in the beginning."""
    for firehose in _firehoses():
        client().xgroup_setid(firehose, LEDGER, "0")
    scene.hit.go_on()


TO_GROUPS: dict[str, Callable[[Scene], None]] = {"forgotten": forget_groups, "redelivered": deliver_again}


def _apply_lawlessly(run: UUID) -> None:
    """What a consumer does that thinks the run is in its shards."""
    Reader(find(LEDGER), DatabaseLog(), clock=CLOCK, wants=lambda event: True).catch_up(run)


def _meet(system: System, point: str) -> tuple[UUID, Hit, Hit]:
    """A run that waits in the body of its second step, and the consumer at `point`; it has met the run before.

    Of a run that it has not met it must make the row first, which keeps others away as well as a lock would.
    """
    system.arm(FIRST_BODY)
    run = people.start("faults-order")
    first = system.await_hit(FIRST_BODY)
    wait_for("the beginning applied", lambda: has_applied_all(LEDGER, run), seconds=APPLIED_SECONDS)
    system.arm(point)
    system.arm(BODY)
    first.go_on()
    return run, system.await_hit(BODY), system.await_hit(point)


def _scene(system: System, run: UUID, hit: Hit, *, is_locked: bool) -> Scene:
    gate = system.gates["consumer"]
    return Scene(
        system=system,
        hit=hit,
        gates=(gate,),
        gate=gate,
        loses=b"COMMIT",
        role=find(LEDGER).role,
        lease_seconds=10.0 * system.scale,
        is_done=lambda: has_applied_all(LEDGER, run),
        another=lambda: looping(ConsumerLoop(find(LEDGER))),
        lawless=lambda: repeating(lambda: _apply_lawlessly(run)),
        is_locked=is_locked,
    )


def play(point: str, strike: str, system: System) -> list[UUID]:
    """One cell: a consumer is struck with events of a run."""
    with connection.cursor() as cursor:
        cursor.execute(TABLE)
    program = Program(name="consumer", argv=manage_argv(system.gates["consumer"], "consume", LEDGER))
    with consuming(system, LEDGER, program):
        run, held, hit = _meet(system, f"{point}@{LEDGER}")
        scene = _scene(system, run, hit, is_locked=point == "outbox.consume.handled")
        (STRIKES | TO_GROUPS)[strike](scene)
        # Before anything else is told, which would bring what was not.
        wait_for("what was under way applied", scene.is_done, seconds=APPLIED_SECONDS)
        runs = finish(run, held)
        for run in runs:
            wait_for(
                "all of it applied", lambda run=run: has_applied_all(LEDGER, run), seconds=APPLIED_SECONDS
            )
    found = [fault for run in runs for fault in _faults_of(run)]
    if found:
        raise NeverHappened("; ".join(found))
    return runs


def finish(run: UUID, held: Hit) -> list[UUID]:
    """The struck run goes on to its end, and another one is as any other."""
    held.go_on()
    runs = [run, people.start("faults-order")]
    for run in runs:
        if (state := rest(run)) != "completed":
            raise NeverHappened(f"run {run} ended {state}")
    return runs


def _faults_of(run: UUID) -> Iterator[str]:
    """I10: each event had its effect once, in order."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT seq, event FROM faults_ledger WHERE run = %s ORDER BY line", [run])
        lines = cursor.fetchall()
    if lines != list(Entry.objects.filter(stream_id=run).order_by("seq").values_list("seq", "id")):
        yield f"I10: the ledger of run {run} has {[seq for seq, _ in lines]}"
