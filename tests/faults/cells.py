"""The cells: a moment and what strikes there. Each returns when the run has come to rest, or raises NeverHappened."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from tests.faults import matrix, people
from tests.faults.moments import MORE, OUTBOX, SAGA, WORKER, Moment
from tests.faults.strikes import STRIKES, Scene
from tests.faults.system import NeverHappened, System, wait_for

REST_SECONDS = 40.0


@dataclass(frozen=True, kw_only=True)
class Cell:
    name: str
    play: Callable[[System, random.Random], list[UUID]]
    points: tuple[str, ...] = ()


def rest(run: UUID, *, seconds: float = REST_SECONDS) -> str:
    """Wait until the run has come to rest; its state."""
    from workflows.models import Run

    wait_for(f"the end of run {run}", lambda: Run.objects.get(pk=run).is_terminal, seconds=seconds)
    return str(Run.objects.get(pk=run).state)


def _play(moment: Moment, strike: str) -> Callable[[System, random.Random], list[UUID]]:
    def play(system: System, roll: random.Random) -> list[UUID]:
        if moment.ready is None:
            system.arm(moment.point)
        run = people.start(moment.workflow, **dict(moment.input))
        if moment.ready is not None:
            moment.ready(run)
            system.arm(moment.point)
        moment.act(run)
        hit = system.await_hit(moment.point)
        scene = Scene(system, run, hit, roll, successor=moment.successor, loses=moment.loses)
        moment.meanwhile(system, run)
        STRIKES[strike](scene)
        state = rest(run)
        for action in scene.afterwards:
            action()
        if rest(run) != state or state not in moment.ends:
            raise NeverHappened(f"the run ended {state}, not {' or '.join(sorted(moment.ends))}")
        return [run]

    return play


def poison(system: System, roll: random.Random) -> list[UUID]:
    """A step that kills its process each time ends after its last attempt, and a neighbour does not suffer."""
    from workflows.models import Step

    point = "workflows.execute.before@left.forward"
    run = people.start("faults-branches")
    neighbour = people.start("faults-order")
    made = 0
    while made < 3:
        system.arm(point, "kill")
        system.await_hit(point)
        system.forget_points()
        made += 1
    state = rest(run)
    step = Step.objects.get(run=run, name="left")
    if state != "compensated" or step.attempt_count != 3:
        raise NeverHappened(f"the poisoned run is {state} after {step.attempt_count} attempts")
    if rest(neighbour) != "completed":
        raise NeverHappened("the neighbour did not complete")
    return [run, neighbour]


def hung(system: System, roll: random.Random) -> list[UUID]:
    """A body that never returns ends after its attempts, its children are really dead, and a neighbour goes on."""
    run, neighbour = people.start("faults-hung"), people.start("faults-order")
    if rest(neighbour) != "completed":
        raise NeverHappened("the neighbour did not complete")
    state = rest(run)
    if state != "compensated":
        raise NeverHappened(f"the hung run is {state}")
    wait_for("the end of the children that hung", lambda: not _alive(run, "hang"), seconds=10)
    return [run, neighbour]


def _alive(run: UUID, step: str) -> list[int]:
    """Processes that worked on an attempt of this step and still do something."""
    from workflows.holder import is_dead
    from workflows.models import Attempt

    workers = Attempt.objects.filter(step__run=run, step__name=step).values_list("worker", flat=True)
    return [int(worker.split(":")[1]) for worker in workers if not is_dead(worker)]


EXTRA = {"G2.poison.K": poison, "G2.hung.Z": hung}


def all_cells() -> list[Cell]:
    """Every cell, in the order of the matrix."""
    from tests.faults.operations import OPERATIONS
    from tests.faults.postgres_cells import POINTS, postgres_cells

    moments = [
        Cell(
            name=f"{moment.group}.{moment.name}.{strike}", play=_play(moment, strike), points=(moment.point,)
        )
        for moment in (*WORKER, *SAGA, *MORE, *OUTBOX)
        for strike in moment.strikes
    ]
    operations = [Cell(name=f"G9.{name}", play=play) for name, play in OPERATIONS.items()]
    outbox = (*matrix.relay_cells(), *matrix.consumer_cells())
    relay = [Cell(name=name, play=play, points=points) for name, play, points in outbox]
    redis = [Cell(name=name, play=play) for name, play in matrix.redis_cells()]
    extra = [Cell(name=name, play=play) for name, play in EXTRA.items()]
    postgres = [
        Cell(name=f"G6.{name}", play=play, points=POINTS.get(name.partition(".")[0], ()))
        for name, play in postgres_cells().items()
    ]
    return [*moments, *extra, *relay, *redis, *postgres, *operations]
