"""Verbs that give a step what it waits for, or do without it: signal and skip."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from pydantic import ValidationError

from outbox.append import Message
from outbox.clock import CLOCK, Clock
from workflows import events
from workflows.definitions import registry
from workflows.engine.plan import Plan, openable
from workflows.engine.storable import storable
from workflows.errors import InvalidInput
from workflows.models import Run, Step
from workflows.services.acting import SKIPPABLE, Action, perform, refuse
from workflows.services.advance import advance
from workflows.services.inputs import refusal, unstorable
from workflows.services.keys import Request, refuse_taken_key
from workflows.services.links import first_alarm
from workflows.services.outputs import blob_of
from workflows.states import RUN_FORWARD, RunState, StepKind, StepState


def signal(
    run_id: UUID,
    *,
    by: User,
    name: str,
    payload: Any = None,
    reason: str = "",
    request: Request | None = None,
    clock: Clock = CLOCK,
) -> Run:
    """Answer the waiting step `name`: it completes with `payload` as its output.

    Raises InvalidInput when the payload does not fit the wait's schema, InvalidTransition when nothing of that name
    waits now (an answer that comes twice finds it answered), UnknownWorkflow when this process lacks the definition.
    """

    def change(run: Run, steps: list[Step], now: datetime) -> Sequence[Message]:
        step = _find(run, steps, name)
        if step.state != StepState.WAITING:
            refuse(run, steps, f"{name} is {step.state}: only a step that waits takes an answer")
        wait = registry.find(run.workflow, version=run.version).wait(name)
        answer = _fit(wait, payload, pointer="")
        received = events.message(events.InputReceived(name=name, by=by.get_username()), step=name)
        return [received, *complete_wait(run, steps, step, answer, now=now)]

    return perform(run_id, Action(verb="signal", by=by, reason=reason, request=request), change, clock=clock)


def complete_wait(
    run: Run, steps: Sequence[Step], step: Step, answer: Any, *, now: datetime
) -> list[Message]:
    """Complete a waiting step and open what follows. Inside the caller's transaction."""
    started = step.started_at or now
    step.complete(answer, now=now)
    step.save()
    data = events.StepCompleted(
        items_count=0, output=blob_of(answer), duration_seconds=(now - started).total_seconds()
    )
    return [events.message(data, step=step.name), *advance(run, steps, now=now).send(run, steps)]


def skip(
    run_id: UUID,
    *,
    by: User,
    step: str,
    output: Any = None,
    reason: str,
    request: Request | None = None,
    clock: Clock = CLOCK,
) -> Run:
    """Do without a step that nobody works on: later steps read `output` in its place. A failed run then goes on.

    Raises InvalidInput without a reason, or when `output` does not fit the step's declared output; InvalidTransition
    when the step is at work or done; UniqueKeyConflict when a failed run would go on and a live one has its unique key.
    What the step may have done stays owed to an undo.
    """
    if not reason.strip():
        detail = "skipping a step takes a reason"
        raise InvalidInput(detail, errors=[("/reason", "missing", detail)])

    def change(run: Run, steps: list[Step], now: datetime) -> Sequence[Message]:
        chosen = _find(run, steps, step)
        if chosen.state not in SKIPPABLE:
            refuse(
                run,
                steps,
                f"{step} is {chosen.state}: only a step that is not at work and not done is skipped",
            )
        begins_at = _begins_later(run, steps, now=now)
        chosen.skip(_output(run, chosen, output), now=now, reason=storable(reason))
        chosen.save()
        if chosen.kind == StepKind.FAN_OUT:
            Step.objects.skip_parts(chosen, now=now)
        elif chosen.parent_id is not None:
            _reopen_parent(steps, chosen, now=now)
        skipped = events.message(events.StepSkipped(by=by.get_username(), reason=storable(reason)), step=step)
        if begins_at is not None and _pass_alarm_on(run, steps, begins_at):
            return [skipped]
        return [skipped, *_go_on(run, steps, by=by, skipped=step, now=now)]

    return perform(run_id, Action(verb="skip", by=by, reason=reason, request=request), change, clock=clock)


def _begins_later(run: Run, steps: Sequence[Step], *, now: datetime) -> datetime | None:
    """When a run begins that was started for later; None: its time has come."""
    if run.state != RunState.PENDING:
        return None
    alarms = [step.due_at for step in steps if step.state == StepState.PENDING and step.due_at is not None]
    return next((alarm for alarm in alarms if alarm > now), None)


def _pass_alarm_on(run: Run, steps: Sequence[Step], begins_at: datetime) -> bool:
    """Set the run's alarm on its first step, whichever that is now. False: no step is left."""
    first = next(iter(openable(steps)), None)
    if first is not None:
        Step.objects.set_start(run.id, position=first, due_at=begins_at)
    return first is not None


def _go_on(run: Run, steps: list[Step], *, by: User, skipped: str, now: datetime) -> list[Message]:
    """A run at work goes on as after a completed step; one that failed, or stops, only once no step has failed."""
    failed = run.steps.filter(state=StepState.FAILED).order_by("position", "index")
    faults = list(failed.values_list("error", flat=True))
    messages: list[Message] = []
    reopened: list[Step] = []
    if run.state == RunState.FAILED:
        if faults:
            return []
        refuse_taken_key(run)
        run.resume(deadline_at=Plan.from_json(run.plan).deadline_from(now), now=now)
        run.save()
        messages.append(events.message(events.RunResumed(by=by.get_username(), from_step=skipped)))
    elif run.error is not None and run.error not in faults:  # it was stopping for the one that is skipped
        run.error = faults[0] if faults else None
        run.save(update_fields=["error"])
        reopened = [] if faults else _reopen_parts(run, steps, now=now)
    if run.state in RUN_FORWARD:
        moves = advance(run, steps, now=now)
        moves.opened += reopened
        messages += moves.send(run, steps)
    return messages


def _reopen_parts(run: Run, steps: Sequence[Step], *, now: datetime) -> list[Step]:
    """Open the parts that were put back when the run began to stop, of fan-outs that are still at work."""
    reopened: list[Step] = []
    for step in steps:
        if step.kind == StepKind.FAN_OUT and step.state == StepState.RUNNING:
            Step.objects.open_parts(step, due_at=first_alarm(run, now), now=now)
            reopened += step.parts.filter(state=StepState.READY).defer("output", "item").order_by("index")
    return reopened


def _reopen_parent(steps: Sequence[Step], part: Step, *, now: datetime) -> None:
    """Once no part of a failed fan-out has failed any more, it goes on with those that are left."""
    parent = next(step for step in steps if step.id == part.parent_id)
    if parent.state == StepState.FAILED and not parent.parts.filter(state=StepState.FAILED).exists():
        parent.reset(attempts=parent.max_attempts)
        parent.save()


def _output(run: Run, step: Step, given: Any) -> Any:
    """What stands in for the step's output. A fan-out has none of its own: its done parts keep theirs."""
    workflow = registry.find(run.workflow, version=run.version)
    if step.kind == StepKind.FAN_OUT:
        if given is not None:
            detail = (
                f"{step.name} is fanned out, so it has no output of its own: skip its parts, {step.name}[0] …"
            )
            raise InvalidInput(detail, errors=[("/output", "unexpected", detail)])
        return None
    declared = workflow.wait(step.name) if step.kind == StepKind.WAIT else workflow.step(step.handler_name)
    return _fit(declared, given, pointer="/output")


def _fit(declared: Any, value: Any, *, pointer: str) -> Any:
    """`value` as JSON of the declared output. Raises InvalidInput with a pointer and a sentence for each fault."""
    what = f"this does not fit {declared.name}"
    try:
        typed = declared.output.validate_python(value)
        return storable(declared.output.dump_python(typed, mode="json", by_alias=True))
    except ValidationError as error:
        raise refusal(error, what=what, pointer=pointer) from error
    except ValueError as error:  # no database holds it
        raise unstorable(error, what=what, pointer=pointer) from error


def _find(run: Run, steps: Sequence[Step], name: str) -> Step:
    """The step of this name, a part included. Raises InvalidTransition when the run has none."""
    for step in steps:
        if step.name == name:
            return step
    part = Step.objects.filter(run_id=run.id, name=name).values_list("pk", flat=True).first()
    if part is not None:
        return Step.objects.locked_part(part)
    refuse(run, steps, f"this run has no step {name!r}; it has {', '.join(step.name for step in steps)}")
    raise AssertionError("unreachable: refuse() raises")
