"""Open the next compensations, or end the undo. Inside the caller's transaction, run and steps locked."""

from collections.abc import Sequence
from datetime import datetime

from outbox.append import Message
from workflows import events
from workflows.conf import conf
from workflows.dispatch import send_on_commit
from workflows.engine.compensation import next_to_undo, to_undo
from workflows.engine.outcomes import ErrorInfo
from workflows.models import Run, Step
from workflows.services.links import first_alarm, link_to
from workflows.states import StepKind, StepState


def needs_undo(steps: Sequence[Step]) -> list[Step]:
    """The steps that an undo of the run would compensate, in its order."""
    return [steps[position] for position in to_undo(steps)]


def point_of_no_return(steps: Sequence[Step]) -> Step | None:
    """The pivot or retry-only step that is done, at work, or may be: the run can only go forward."""
    passed = (StepState.COMPLETED, StepState.RUNNING)
    for step in steps:
        if step.no_return and (step.state in passed or step.outcome_unknown):
            return step
    return None


def begin_compensation(run: Run, steps: Sequence[Step], *, now: datetime) -> list[Message]:
    """Turn the run round: what has not begun is cancelled, the newest completed stage is opened for its undo."""
    stuck = [step for step in steps if step.state == StepState.COMPENSATION_FAILED]
    wanted = [*stuck, *needs_undo(steps)]
    run.compensate()
    run.save()
    messages = [events.message(events.RunCompensating(steps=[step.name for step in wanted]))]
    for step in steps:
        if step.state == StepState.PENDING and step not in wanted:
            step.cancel(now=now)
            step.save()
            cancelled = events.StepCancelled(reason="The run is being undone.")
            messages.append(events.message(cancelled, step=step.name))
    _open(run, stuck, now=now)
    return [*messages, *go_on(run, steps, now=now)]


def go_on(run: Run, steps: Sequence[Step], *, now: datetime) -> list[Message]:
    """Open what is next to undo; end the undo once no compensation is at work: all done, or one failed for good.

    Beside one that failed the other branches of its stage are undone all the same.
    """
    messages: list[Message] = []
    for step in steps:
        if step.kind == StepKind.FAN_OUT and step.state == StepState.COMPENSATING:
            messages += _join_undo(step, now=now)
    failed = [step for step in steps if step.state == StepState.COMPENSATION_FAILED]
    chosen = [steps[position] for position in next_to_undo(steps)]
    _open(run, chosen, now=now)
    if any(step.state == StepState.COMPENSATING for step in steps):
        # One without a part to undo ends at once.
        joined = [step for step in chosen if step.kind == StepKind.FAN_OUT]
        return [*messages, *go_on(run, steps, now=now)] if joined else messages
    if failed:
        return [*messages, _fail(run, failed, now=now)]
    run.end_compensation(now=now)
    run.save()
    undone = [step.name for step in reversed(steps) if step.state == StepState.COMPENSATED]
    return [*messages, events.message(events.RunCompensated(steps=undone))]


def _fail(run: Run, failed: Sequence[Step], *, now: datetime) -> Message:
    error = failed[0].error
    assert error is not None  # fail_compensation() stores it with the state
    run.fail_compensation(error, now=now)
    run.save()
    public = events.PublicError.of(ErrorInfo(**error))
    data = events.RunCompensationFailed(steps=[step.name for step in failed], error=public)
    return events.message(data)


def _open(run: Run, chosen: Sequence[Step], *, now: datetime) -> None:
    attempts, due_at = conf().undo_attempts, first_alarm(run, now)
    opened: list[Step] = []
    for step in chosen:
        fans = step.kind == StepKind.FAN_OUT
        step.compensate(attempts=attempts, due_at=None if fans else due_at, now=now)
        step.save()
        if fans:
            Step.objects.compensate_parts(step, attempts=attempts, due_at=due_at, now=now)
            Step.objects.cancel_parts(step, now=now)
            opened += step.parts.filter(state=StepState.COMPENSATING).defer("output", "item")
        else:
            opened.append(step)
    send_on_commit([[link_to(run, step)] for step in opened])


def _join_undo(step: Step, *, now: datetime) -> list[Message]:
    """End the undo of a fan-out once none of its parts is being undone."""
    if step.parts.filter(state=StepState.COMPENSATING).exists():
        return []
    failed = step.parts.filter(state=StepState.COMPENSATION_FAILED).defer("output", "item").first()
    if failed is None:
        step.end_compensation(now=now)
        step.save()
        return [events.message(events.CompensationCompleted(), step=step.name)]
    assert failed.error is not None  # fail_compensation() stores it with the state
    step.fail_compensation(failed.error, now=now)
    step.save()
    error = events.PublicError.of(ErrorInfo(**failed.error))
    return [events.message(events.CompensationFailed(error=error), step=step.name)]
