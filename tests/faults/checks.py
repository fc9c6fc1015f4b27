"""What must hold of a run at rest, whatever was done to its processes: what holds at any moment, and what else only
real processes can break. Every check yields sentences; none means that all is well. The list:

I1, I2 (log and rows agree: `workflows.testing`) · I3 one success a step · I4 nobody is forgotten · I5 the fence ·
I6 one attempt at a time · I7 the plan's order · I8 nothing is left undone · I9 Redis has the log · I11 the provider's
ledger · I12 attempts have a limit
"""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise
from uuid import UUID

from outbox import wire
from outbox.models import Entry, Stream
from outbox.redis import client
from tests.faults.losses import left_behind, told_twice
from tests.faults.people import effects
from workflows.engine.plan import Plan
from workflows.models import Attempt, Run, Step
from workflows.services.stranded import find_stranded
from workflows.states import AttemptKind, AttemptState, StepKind, StepState
from workflows.testing import invariants

STREAM_SECONDS = 20.0  # for a relay that was killed and starts again, on a busy machine
DONE = {StepState.COMPLETED, StepState.COMPENSATED}


def faults_of(run_id: UUID) -> list[str]:
    """Everything that is wrong with a run at rest."""
    run = Run.objects.get(pk=run_id)
    log = list(Entry.objects.filter(stream_id=run_id).order_by("seq"))
    steps = list(run.steps.order_by("position", "index"))
    return [
        *_at_rest(run),
        *invariants.faults_of(run),
        *_one_success(log),
        *_in_time(log),
        *_fenced(log),
        *_whose(steps),
        *_one_at_a_time(steps),
        *_in_order(run, steps, log),
        *_undone(run, steps),
        *_within_limits(steps),
        *_ledger(run, steps),
        *_published(run, log),
        *told_twice(run_id),
        *_awake(run),
    ]


def _at_rest(run: Run) -> Iterator[str]:
    if not run.is_terminal:
        yield f"I2: the run is {run.state}, not at rest"


def _one_success(log: list[Entry]) -> Iterator[str]:
    """I3"""
    for type_ in ("step.completed", "compensation.completed"):
        counts = Counter(entry.headers["step"] for entry in log if entry.type == type_)
        for step, count in counts.items():
            if count > 1:
                yield f"I3: {count} × {type_} of {step}"


def _in_time(log: list[Entry]) -> Iterator[str]:
    """Whatever the processes' clocks say: the log has the database's time, which does not go back."""
    for former, later in pairwise(log):
        if later.created_at < former.created_at:
            yield f"event {later.seq} is {former.created_at - later.created_at} older than the one before"


def _fenced(log: list[Entry]) -> Iterator[str]:
    """I5: once attempt n + 1 has begun, nothing is told by attempt n."""
    begun: dict[tuple[str, str], int] = defaultdict(int)
    for entry in log:
        step, number = entry.headers.get("step"), entry.headers.get("attempt")
        if step is None or number is None or entry.type.startswith("compensation."):
            continue
        kind = entry.payload.get("kind", AttemptKind.FORWARD)
        if entry.type == "attempt.started":
            begun[step, kind] = number
        elif number < begun[step, kind]:
            yield f"I5: {entry.type} of attempt {number} of {step} after attempt {begun[step, kind]} had begun"


def _whose(steps: list[Step]) -> Iterator[str]:
    """I5: what is kept is the work of the attempt that is written down as the one that did it."""
    for step in steps:
        done = step.attempts.filter(kind=AttemptKind.FORWARD, state=AttemptState.COMPLETED)
        for attempt in done if step.name == "charge" else ():
            if step.output != f"attempt {attempt.number}":
                yield f"I5: {step.name} keeps what {step.output} returned, and attempt {attempt.number} completed"


def _one_at_a_time(steps: list[Step]) -> Iterator[str]:
    """I6"""
    for step in steps:
        for kind in AttemptKind:
            attempts = list(step.attempts.filter(kind=kind).order_by("number"))
            for former, later in pairwise(attempts):
                if former.finished_at is None or later.started_at < former.finished_at:
                    yield f"I6: attempts {former.number} and {later.number} of {step.name} overlap"


def _in_order(run: Run, steps: list[Step], log: list[Entry]) -> Iterator[str]:
    """I7: a step begins after those before it are done; an undo after all that began after it are undone."""
    plan = Plan.from_json(run.plan)
    names = {step.position: step.name for step in steps}
    at = {(entry.type, entry.headers.get("step")): entry.seq for entry in log}
    for planned in plan.steps:
        name = names[planned.position]
        for before in _before(plan, planned.position):
            began, done = at.get(("step.started", name)), at.get(("step.completed", names[before]))
            if began and (done is None or done > began):
                yield f"I7: {name} began before {names[before]} was done"
            undone, undo = (
                at.get(("compensation.completed", name)),
                at.get(("compensation.started", names[before])),
            )
            if undo and ("compensation.started", name) in at and (undone is None or undone > undo):
                yield f"I7: the undo of {names[before]} began before that of {name} was done"


def _before(plan: Plan, position: int) -> list[int]:
    """Positions of the steps that must be done first, found without the engine's own code."""
    here = plan.steps[position]
    for other in reversed(plan.steps[:position]):
        if other.stage == here.stage and other.branch == here.branch:
            return [other.position]
    return [other.position for other in plan.steps if other.stage == here.stage - 1]


def _undone(run: Run, steps: list[Step]) -> Iterator[str]:
    """I8"""
    if run.state == "compensated":
        for step in steps:
            if step.has_undo and (step.state == StepState.COMPLETED or step.outcome_unknown):
                yield f"I8: the run is compensated, {step.name} is {step.state}"


def _within_limits(steps: list[Step]) -> Iterator[str]:
    """I12"""
    for step in steps:
        made = Attempt.objects.filter(step=step, kind=AttemptKind.FORWARD).count()
        if made > step.max_attempts:
            yield f"I12: {step.name} has {made} attempts, allowed are {step.max_attempts}"


def _ledger(run: Run, steps: list[Step]) -> Iterator[str]:
    """I11: one effect a step and kind; what completed had it; of a compensated run they net to zero."""
    entries = effects(run.id)
    had = Counter((entry["step"], entry["kind"]) for entry in entries if entry["status"] == "done")
    for (step, kind), count in had.items():
        if count > 1:
            yield f"I11: {count} effects of {step}, {kind}"
    if any(entry["status"] == "conflict" for entry in entries):
        yield "I11: one key with two bodies"
    for step in (step for step in steps if step.kind == StepKind.STEP):
        forward, undone = had[step.name, "forward"], had[step.name, "undo"]
        if (
            step.state in DONE
            and not step.outcome_unknown
            and step.state == StepState.COMPLETED
            and not forward
        ):
            yield f"I11: {step.name} completed without its effect"
        if run.state == "compensated" and step.has_undo and forward and not undone:
            yield f"I11: the effect of {step.name} was not undone"
        if step.state == StepState.COMPLETED and undone:
            yield f"I11: {step.name} stands, but its effect was undone"


def _published(run: Run, log: list[Entry]) -> Iterator[str]:
    """I9: the run's stream in Redis is a contiguous piece of the log that reaches its head, with equal events; those
    of former epochs have nothing that never happened.
    """
    deadline = time.monotonic() + STREAM_SECONDS
    while True:
        epoch = Stream.objects.get(key=run.id).epoch
        rows = client().xrange(wire.run_stream(wire.shard_of(run.id), run.id, epoch))
        seqs = [int(identifier.partition(b"-")[0]) for identifier, _ in rows]
        if seqs[-1:] == [log[-1].seq] or time.monotonic() >= deadline:
            break
        time.sleep(0.02)
    if seqs != list(range(log[-1].seq - len(seqs) + 1, log[-1].seq + 1)) or not seqs:
        yield f"I9: the stream has {seqs}, the log reaches {log[-1].seq}"
    told = {wire.encode(wire.envelope(entry)) for entry in log}
    if any(fields[b"e"] not in told for _, fields in rows):
        yield "I9: the stream has an event that the log does not have"
    yield from left_behind(run.id, epoch=epoch, log=told)


def _awake(run: Run) -> Iterator[str]:
    """I4, of every run there is."""
    for stranded in find_stranded():
        yield f"I4: run {stranded.id} is {stranded.state} and nothing will wake it"
