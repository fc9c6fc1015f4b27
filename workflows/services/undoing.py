"""Open the next compensations, or end the undo. Inside the caller's transaction, run and steps locked."""

from collections.abc import Sequence
from datetime import datetime

from outbox.append import Message
from workflows import events
from workflows.conf import conf
from workflows.dispatch import send_on_commit
from workflows.engine.compensation import UndoView, next_to_undo, to_undo
from workflows.engine.outcomes import ErrorInfo
from workflows.models import Run, Step
from workflows.services.advance import first_alarm, link_to
from workflows.states import StepState


def needs_undo(steps: Sequence[Step]) -> list[Step]:
    """The steps that an undo of the run would compensate, in its order."""
    return [steps[position] for position in to_undo(_views(steps))]


def begin_compensation(run: Run, steps: Sequence[Step], *, now: datetime) -> list[Message]:
    """Turn the run round: what has not begun is cancelled, the newest completed stage is opened for its undo."""
    stuck = [step for step in steps if step.state == StepState.COMPENSATION_FAILED]
    wanted = [*stuck, *needs_undo(steps)]
    run.compensate()
    run.save()
    messages = [events.message(events.RunCompensating(steps=[step.name for step in wanted]))]
    for step in steps:
        if step.state == StepState.PENDING:
            step.cancel(now=now)
            step.save()
            cancelled = events.StepCancelled(reason="The run is being undone.")
            messages.append(events.message(cancelled, step=step.name))
    _open(run, stuck, now=now)
    open_next_undo(run, steps, now=now)
    return messages


def open_next_undo(run: Run, steps: Sequence[Step], *, now: datetime) -> bool:
    """Open the next stage to undo, unless one is at work. True when there was one to open."""
    chosen = [steps[position] for position in next_to_undo(_views(steps))]
    _open(run, chosen, now=now)
    return bool(chosen)


def end_if_undone(run: Run, steps: Sequence[Step], *, now: datetime) -> list[Message]:
    """End the undo once no compensation is at work: all done, or one of them failed for good."""
    if any(step.state == StepState.COMPENSATING for step in steps):
        return []
    failed = [step for step in steps if step.state == StepState.COMPENSATION_FAILED]
    if failed:
        error = failed[0].error
        assert error is not None  # fail_compensation() stores it with the state
        run.fail_compensation(error, now=now)
        run.save()
        public = events.PublicError.of(ErrorInfo(**error))
        data = events.RunCompensationFailed(steps=[step.name for step in failed], error=public)
        return [events.message(data)]
    if open_next_undo(run, steps, now=now):
        return []
    run.end_compensation(now=now)
    run.save()
    undone = [step.name for step in reversed(steps) if step.state == StepState.COMPENSATED]
    return [events.message(events.RunCompensated(steps=undone))]


def _open(run: Run, chosen: Sequence[Step], *, now: datetime) -> None:
    for step in chosen:
        step.compensate(attempts=conf().undo_attempts, due_at=first_alarm(now))
        step.save()
    send_on_commit([[link_to(run, step)] for step in chosen])


def _views(steps: Sequence[Step]) -> list[UndoView]:
    return [
        UndoView(
            position=step.position,
            stage=step.stage,
            state=step.state,
            has_undo=step.has_undo,
            outcome_unknown=step.outcome_unknown,
        )
        for step in steps
    ]
