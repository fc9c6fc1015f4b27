"""What is promised about time, measured at full scale: `make faults ARGS=--promises`, and `--rolling` for deploys."""

import random
import signal
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import UUID

from tests.faults import people
from tests.faults.cells import rest
from tests.faults.operations import restart
from tests.faults.system import System, running_system, wait_for

HELD = 600.0  # seconds that charge takes unless it is stopped
AT_ONCE = 4  # two workers with two children each
ROLLING_RUNS, ROLLING_EVERY_SECONDS, ROLLING_RATE = 300, 5.0, 4.0
QUEUE = "default"


def main(*, rolling: bool, seed: int, kills: int) -> int:
    """Exit status: 0 when every promise was kept."""
    roll = random.Random(seed)
    with (
        tempfile.TemporaryDirectory(prefix="longhaul-faults-", ignore_cleanup_errors=True) as name,
        running_system(Path(name), scale=1.0) as system,
    ):
        return _roll_on(system, roll) if rolling else _measure(system, roll, kills)


def _measure(system: System, roll: random.Random, kills: int) -> int:
    promises: list[tuple[str, float, Callable[[System, random.Random, int], list[float]]]] = [
        ("cancel of a running step, to its end", 3.0, _cancels),
        ("child killed, to the next attempt", 5.0, _children),
        ("worker killed whole, to the next attempt", 40.0, _workers),
        ("message lost on an idle queue, to the first attempt", 40.0, _messages),
    ]
    broken = 0
    for name, limit, measure in promises:
        waits = measure(system, roll, kills)
        kept = max(waits) <= limit
        broken += not kept
        print(
            f"{name}: n {len(waits)}, median {statistics.median(waits):.1f} s, max {max(waits):.1f} s, "
            f"promised {limit:.0f} s{'' if kept else ': BROKEN'}",
            flush=True,
        )
    print(f"promises: {len(promises) - broken} kept, {broken} broken")
    return 1 if broken else 0


def _held(count: int) -> list[UUID]:
    """Runs whose second step is at work and stays so."""
    runs = [people.start("faults-order", hold_seconds=HELD) for _ in range(count)]
    for run in runs:
        _await_attempt(run, 1, seconds=60)
    return runs


def _await_attempt(run: UUID, number: int, *, seconds: float, step: str = "charge") -> float:
    """When attempt `number` of the step began, in seconds of the database's clock, which is this machine's."""
    from workflows.models import Attempt

    found = Attempt.objects.filter(step__run=run, step__name=step, kind="forward", number=number)
    wait_for(f"attempt {number} of {step}", found.exists, seconds=seconds)
    return found.get().started_at.timestamp()


def _holder(run: UUID) -> int:
    from workflows.models import Step

    return int(Step.objects.get(run=run, name="charge").holder.split(":")[1])


def _end(runs: Sequence[UUID]) -> None:
    for run in runs:
        people.cancel(run, undo=False)
    for run in runs:
        rest(run, seconds=60)


def _cancels(system: System, roll: random.Random, count: int) -> list[float]:
    waits = []
    while len(waits) < count:
        for run in _held(AT_ONCE):
            since = time.monotonic()
            people.cancel(run, undo=False)
            rest(run)
            waits.append(time.monotonic() - since)
    return waits


def _children(system: System, roll: random.Random, count: int) -> list[float]:
    """The wait includes the step's back-off: full jitter of at most 1, 2, 4 s for the first, second, third retry."""
    waits: list[float] = []
    while len(waits) < count:
        (run,) = _held(1)
        for number in (2, 3):
            time.sleep(roll.uniform(0.1, 1.0))
            since = time.time()
            system.signal(_holder(run), signal.SIGKILL)
            began = _await_attempt(run, number, seconds=60)
            waits.append(began - since)
        _end([run])
    return waits


def _workers(system: System, roll: random.Random, count: int) -> list[float]:
    """A whole worker at once, its children too; nobody on its host tells, since the holder's name is changed."""
    from workflows.models import Step

    waits: list[float] = []
    while len(waits) < count:
        runs = _held(AT_ONCE)
        # As if it had run on another host: its death is not seen, only its lease ends.
        time.sleep(roll.uniform(0.1, 3.0))
        for name in ("worker-a", "worker-b"):
            since = time.time()
            doomed = [system.pid(name), *system.children(name)]
            here = [run for run in runs if _holder(run) in doomed]
            for pid in doomed:
                system.signal(pid, signal.SIGSTOP)
            Step.objects.filter(run__in=here, name="charge").update(holder="elsewhere/0:1:1")
            for pid in doomed:
                system.signal(pid, signal.SIGKILL)
            runs = [run for run in runs if run not in here]
            waits += [_await_attempt(run, 2, seconds=90) - since for run in here]
            _end(here)
    return waits


def _messages(system: System, roll: random.Random, count: int) -> list[float]:
    """Every message of the queue is gone before a worker has seen it."""
    from outbox.redis import client

    frozen = [pid for name in ("worker-a", "worker-b") for pid in (system.pid(name), *system.children(name))]
    for pid in frozen:
        system.signal(pid, signal.SIGSTOP)
    time.sleep(0.5)
    runs, since = [], {}
    for _ in range(count + AT_ONCE):
        run = people.start("faults-order")
        since[run] = time.time()
        runs.append(run)
    lost = client().llen(QUEUE)
    client().delete(QUEUE)
    for pid in frozen:
        system.signal(pid, signal.SIGCONT)
    waits = [_await_attempt(run, 1, seconds=90, step="reserve") - since[run] for run in runs]
    for run in runs:
        rest(run, seconds=60)
    # Those that the frozen workers had been given already were not lost: they are the quickest.
    return sorted(waits)[-int(lost) :]


def _roll_on(system: System, roll: random.Random) -> int:
    """300 runs while one worker after the other is restarted every 5 s: none lost, none doubled, none parked."""
    from tests.faults.checks import faults_of
    from workflows.models import Run

    runs: list[UUID] = []
    restarts, began, next_restart = 0, time.monotonic(), time.monotonic() + ROLLING_EVERY_SECONDS
    while len(runs) < ROLLING_RUNS or Run.objects.filter(pk__in=runs).exclude(state="completed").exists():
        if len(runs) < ROLLING_RUNS:
            runs.append(people.start("faults-order", hold_seconds=roll.uniform(0, 0.5)))
        time.sleep(1 / ROLLING_RATE)
        if time.monotonic() >= next_restart:
            restart(system, ("worker-a", "worker-b")[restarts % 2], signal.SIGTERM)
            restarts, next_restart = restarts + 1, time.monotonic() + ROLLING_EVERY_SECONDS
        if time.monotonic() - began > 900:
            break
    took = time.monotonic() - began
    parked = [run for run in runs if not Run.objects.get(pk=run).is_terminal]
    lost = Run.objects.filter(pk__in=runs).exclude(state="completed").count() - len(parked)
    wrong = [fault for run in runs if run not in parked for fault in faults_of(run)]
    for fault in wrong[:20]:
        print(f"    {fault}")
    print(
        f"rolling: {len(runs)} runs, {restarts} restarts in {took:.0f} s: {lost} lost, {len(wrong)} wrong, "
        f"{len(parked)} parked"
    )
    return 1 if lost or wrong or parked else 0
