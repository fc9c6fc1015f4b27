"""Decide what follows from the states of a run's steps, inside the transaction that changed one of them.

The one place where a run moves on: whoever changed a step calls `advance()`, with run and steps locked, and announces
what it says.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from outbox.append import Message
from workflows import events
from workflows.definitions import registry
from workflows.dispatch import send_on_commit
from workflows.engine import plan as plans
from workflows.errors import UnknownWorkflow
from workflows.models import Run, Step
from workflows.services import fanning, stopping, undoing
from workflows.services.links import chains_of, first_alarm
from workflows.services.outputs import blob_of_step
from workflows.states import STEP_DONE, RunState, StepKind, StepState


@dataclass
class Moves:
    """What `advance()` did: events in order, and the steps that became acquirable."""

    messages: list[Message] = field(default_factory=list)
    opened: list[Step] = field(default_factory=list)

    def send(self, run: Run, steps: Sequence[Step]) -> list[Message]:
        """Send the opened steps after the commit; returns the messages."""
        send_on_commit(chains_of(run, steps, self.opened))
        return self.messages


def advance(run: Run, steps: Sequence[Step], *, now: datetime) -> Moves:
    """Open what can open, join what has ended, and end the run when nothing is left to do.

    steps: those of the plan in order, without the parts of fan-outs.
    """
    moves = Moves()
    if run.state == RunState.COMPENSATING:
        moves.messages += undoing.go_on(run, steps, now=now)
        return moves
    if run.is_stopping:
        moves.messages += stopping.come_to_rest(run, steps, now=now)
        return moves
    moves.messages += fanning.join(run, steps, now=now)
    while positions := plans.openable(steps):
        for position in positions:
            _open(run, steps, steps[position], moves, now=now)
        if run.error is not None:  # a fan-out that could not be expanded
            moves.messages += stopping.come_to_rest(run, steps, now=now)
            return moves
    moves.messages += _settle_state(run, steps, now=now)
    return moves


def _open(run: Run, steps: Sequence[Step], step: Step, moves: Moves, *, now: datetime) -> None:
    match step.kind:
        case StepKind.WAIT:
            moves.messages.append(_wait(run, step, now=now))
        case StepKind.FAN_OUT:
            parts, messages = fanning.expand(run, steps, step, now=now)
            moves.opened += parts
            moves.messages += messages
        case _:
            step.open(due_at=first_alarm(run, now), now=now)
            step.save(update_fields=["state", "due_at", "ready_at", "dispatch_count"])
            moves.opened.append(step)


def _wait(run: Run, step: Step, *, now: datetime) -> Message:
    deadline = now + timedelta(seconds=step.timeout_seconds)
    step.wait(deadline_at=deadline, due_at=run.by_deadline(deadline), now=now)
    step.save(update_fields=["state", "started_at", "deadline_at", "due_at"])
    data = events.StepWaiting(title=step.title, answer_schema=answer_schema(run, step), expires_at=deadline)
    return events.message(data, step=step.name)


def answer_schema(run: Run, step: Step) -> dict[str, object] | None:
    """The JSON Schema that an answer to a waiting step must fit; None when it carries nothing."""
    try:
        schema = registry.find(run.workflow, version=run.version).wait(step.name).schema
    except (UnknownWorkflow, KeyError):  # another process has the code
        return None
    return None if schema is None else schema.model_json_schema()


def _settle_state(run: Run, steps: Sequence[Step], *, now: datetime) -> list[Message]:
    """Completed when all is done; waiting while only waits are open; running otherwise."""
    if all(step.state in STEP_DONE for step in steps):
        run.complete(now=now)
        run.save()
        count = sum(step.current_items for step in steps)
        return [events.message(events.RunCompleted(items_count=count, result=blob_of_step(steps[-1])))]
    unfinished = [step for step in steps if step.state not in {StepState.PENDING, *STEP_DONE}]
    waits = [step for step in unfinished if step.state == StepState.WAITING]
    if waits and len(waits) == len(unfinished):
        return _begin_waiting(run, waits[0], now=now) if run.state != RunState.WAITING else []
    if run.state == RunState.WAITING:
        run.go_on()
        run.save(update_fields=["state"])
    return []


def _begin_waiting(run: Run, step: Step, *, now: datetime) -> list[Message]:
    started = [] if run.started_at else [events.message(events.RunStarted())]
    run.wait(now=now)
    run.save(update_fields=["state", "started_at"])
    assert step.deadline_at is not None  # wait() set it
    waiting = events.RunWaiting(
        name=step.name, answer_schema=answer_schema(run, step), expires_at=step.deadline_at
    )
    return [*started, events.message(waiting)]
