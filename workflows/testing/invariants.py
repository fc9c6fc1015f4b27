"""What is true of every run at every moment, however its processes died. Only reads."""

from collections.abc import Iterator
from itertools import groupby

from pydantic import ValidationError

from outbox.models import Entry, Stream
from outbox.wire import envelope
from streaming.folding import items_of
from workflows.events import TYPES
from workflows.models import Attempt, Item, Run, Step
from workflows.states import STEP_TERMINAL, AttemptKind, AttemptState, StepState

# The event after which a step stays as it is until another one of these.
ENDS_STEP = {
    "step.completed": StepState.COMPLETED,
    "step.failed": StepState.FAILED,
    "step.skipped": StepState.SKIPPED,
    "step.cancelled": StepState.CANCELLED,
    "compensation.completed": StepState.COMPENSATED,
    "compensation.failed": StepState.COMPENSATION_FAILED,
}
BEGINS_ROUND = {"run.resumed", "run.compensating"}


def faults_of(run: Run) -> list[str]:
    """A sentence for each rule that the run breaks now; usually none."""
    run = Run.objects.get(pk=run.pk)
    stream = Stream.objects.get(key=run.pk)
    log = list(Entry.objects.filter(stream=stream).order_by("seq"))
    steps = list(run.steps.defer("output", "item").order_by("position", "index"))
    return [
        *_numbers(stream, log),
        *_schemas(log),
        *_rounds(run, log, is_whole=not stream.pruned),
        *_alarms(run, steps),
        *_states(steps, log),
        *_attempts(steps),
        *_items(run, log, is_whole=not stream.pruned),
        *_result(steps, log),
    ]


def _numbers(stream: Stream, log: list[Entry]) -> Iterator[str]:
    """Without holes, from the first one that retention has left."""
    numbers = [entry.seq for entry in log]
    if numbers != list(range(stream.pruned + 1, stream.pruned + len(log) + 1)):
        yield f"its log has holes: {numbers}, of which {stream.pruned} were removed"
    if stream.head != stream.pruned + len(log):
        yield f"its stream says that there are {stream.head - stream.pruned} events, and there are {len(log)}"
    if stream.published > stream.head:
        yield f"its stream is published up to {stream.published}, and ends at {stream.head}"


def _schemas(log: list[Entry]) -> Iterator[str]:
    for entry in log:
        try:
            TYPES[entry.type].model_validate(entry.payload)
        except (KeyError, ValidationError) as error:
            yield f"event {entry.seq} is no {entry.type} as the registry describes it: {error}"


def _rounds(run: Run, log: list[Entry], *, is_whole: bool) -> Iterator[str]:
    """One end a round, and after the last one the state of the run. is_whole: retention has left it all."""
    end: str | None = None
    for entry in log:
        if entry.type in BEGINS_ROUND:
            end = None
        elif TYPES[entry.type].ENDS_ROUND:
            if end is not None:
                yield f"event {entry.seq} ends the run with {entry.type}, which {end} had ended already"
            end = entry.type
    expected = f"run.{run.state}" if run.is_terminal else None
    if end != expected and (end is not None or is_whole):
        yield f"it is {run.state}, and the end that its log tells is {end or 'none'}"


def _alarms(run: Run, steps: list[Step]) -> Iterator[str]:
    if run.is_terminal:
        for step in steps:
            if step.due_at is not None or step.lease_token is not None:
                yield f"it is {run.state}, and {step.name} is still to be worked on"
    elif all(step.due_at is None for step in steps):
        yield f"it is {run.state}, and no step of it has an alarm: nothing will ever happen to it"


def _states(steps: list[Step], log: list[Entry]) -> Iterator[str]:
    """Parts of a fan-out are cancelled and skipped with it, which only its own event tells; so they are left out."""
    told = {
        entry.headers.get("step"): (entry.seq, ENDS_STEP[entry.type])
        for entry in log
        if entry.type in ENDS_STEP
    }
    for step in steps:
        if step.parent_id is not None or step.state not in STEP_TERMINAL or step.name not in told:
            continue
        seq, state = told[step.name]
        if state != step.state:
            yield f"{step.name} is {step.state}, and event {seq} says that it is {state}"


def _attempts(steps: list[Step]) -> Iterator[str]:
    tries = Attempt.objects.filter(step__in=steps).order_by("step_id", "kind", "number")
    by_id = {step.id: step for step in steps}
    for (step_id, kind), group in groupby(tries, key=lambda attempt: (attempt.step_id, attempt.kind)):
        step, numbered = by_id[step_id], list(group)
        numbers = [attempt.number for attempt in numbered]
        counted = step.attempt_count if kind == AttemptKind.FORWARD else step.undo_count
        if numbers != list(range(1, counted + 1)):
            yield f"{step.name} counts {counted} {kind} attempts, and these are there: {numbers}"
    at_work = {attempt.step_id for attempt in tries if attempt.state == AttemptState.RUNNING}
    for step in steps:
        if (step.lease_token is not None) != (step.id in at_work):
            yield f"{step.name} is {'leased' if step.lease_token else 'not leased'}, unlike its attempts"


def _items(run: Run, log: list[Entry], *, is_whole: bool) -> Iterator[str]:
    """Numbered without holes, counted on their steps, and the current ones are what the whole log tells."""
    rows = Item.objects.filter(run=run).order_by("step__position", "step_id", "index").select_related("step")
    for step, group in groupby(rows, key=lambda item: item.step):
        items = list(group)
        indexes = [item.index for item in items]
        if indexes != list(range(len(indexes))):
            yield f"the items of {step.name} are numbered {indexes}"
        if (step.items_count, step.current_items) != (len(indexes), sum(item.is_current for item in items)):
            yield f"{step.name} counts {step.items_count} items, {step.current_items} of them current"
    told = sum(entry.type == "item.committed" for entry in log)
    if told != len(rows) and (is_whole or told > len(rows)):
        yield f"it has {len(rows)} items, and its log tells {told}"
    current = {(row.step.name, row.index): row.data for row in rows if row.is_current}
    folded = {
        (step, index): item["value"]
        for step, held in items_of(envelope(entry) for entry in log).items()
        for index, item in held.items()
    }
    if is_whole and folded != current:
        yield f"who follows its log holds the items {sorted(folded)}, and {sorted(current)} are current"


def _result(steps: list[Step], log: list[Entry]) -> Iterator[str]:
    """What the end of a run says of its result is what its last step said of its output."""
    last = next((step for step in reversed(steps) if step.parent_id is None), None)
    if last is None:
        return
    said = [
        entry.payload["output"] for entry in log if entry.type == "step.completed" and _is_of(entry, last)
    ]
    ends = [entry.payload["result"] for entry in log if entry.type == "run.completed"]
    if ends and last.state == StepState.COMPLETED and said and ends[-1] != said[-1]:
        yield f"its result is said to be {ends[-1]}, and the output of {last.name} was {said[-1]}"


def _is_of(entry: Entry, step: Step) -> bool:
    return bool(entry.headers.get("step") == step.name)
