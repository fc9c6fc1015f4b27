"""Bring a run to rest that takes up nothing new: a step failed, its deadline passed, or somebody cancelled it.

What no worker holds is put back at once; what is held ends its step first, since half an effect is worse than a late
one. Once all is quiet, by policy or by the operator's word: undo, or stay.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from outbox.append import Message
from workflows import events
from workflows.conf import conf
from workflows.engine.outcomes import ErrorInfo
from workflows.engine.plan import Plan
from workflows.models import Run, Step
from workflows.models.step import UNHELD
from workflows.services.fanning import fold
from workflows.services.undoing import begin_compensation, needs_undo, point_of_no_return
from workflows.states import RunState, StepKind, StepState


def come_to_rest(run: Run, steps: Sequence[Step], *, now: datetime) -> list[Message]:
    """Put back what is not held; end the run, or begin its undo, once nothing is."""
    cancelling = run.state == RunState.CANCELLING
    messages: list[Message] = []
    for step in steps:
        if step.state in UNHELD:
            messages += _let_go(step, cancelling=cancelling, now=now)
        elif step.kind == StepKind.FAN_OUT and step.state == StepState.RUNNING:
            messages += fold(step, now=now, cancelling=cancelling)
    if any(step.is_held for step in steps):
        run.save()
        return messages
    if _undoes(run) and needs_undo(steps) and point_of_no_return(steps) is None:
        return [*messages, *begin_compensation(run, steps, now=now)]
    if cancelling:
        return [*messages, *_end_cancelling(run, steps, now=now)]
    return [*messages, _fail(run, steps, now=now)]


def ask_to_stop(steps: Sequence[Step], *, now: datetime) -> None:
    """Give every held step a short time to notice that its run is cancelled; then it is fenced off."""
    latest = now + timedelta(seconds=conf().cancel_grace_seconds)
    held = [step for step in steps if step.lease_token is not None]
    for fan_out in steps:
        if fan_out.kind == StepKind.FAN_OUT:
            held += Step.objects.held_parts(fan_out)
    for step in held:
        step.end_by(latest)
        step.save(update_fields=["deadline_at", "due_at"])


def _let_go(step: Step, *, cancelling: bool, now: datetime) -> list[Message]:
    if not cancelling:
        step.put_back()
        step.save()
        return []
    step.cancel(now=now)
    step.save()
    return [events.message(events.StepCancelled(reason="The run was cancelled."), step=step.name)]


def _undoes(run: Run) -> bool:
    if run.state == RunState.CANCELLING:
        return run.undoes_when_cancelled
    return Plan.from_json(run.plan).on_failure == "compensate"


def _end_cancelling(run: Run, steps: Sequence[Step], *, now: datetime) -> list[Message]:
    messages = []
    for step in steps:
        if step.state == StepState.PENDING:
            messages += _let_go(step, cancelling=True, now=now)
    run.end_cancelling(now=now)
    run.save()
    return [*messages, events.message(events.RunCancelled(undo=run.undoes_when_cancelled))]


def _fail(run: Run, steps: Sequence[Step], *, now: datetime) -> Message:
    assert run.error is not None  # what makes a run stop stores it
    failed = next((step.name for step in steps if step.state == StepState.FAILED), None)
    run.fail(now=now)
    run.save()
    error = events.PublicError.of(ErrorInfo(**run.error))
    return events.message(events.RunFailed(error=error, failed_step=failed))
