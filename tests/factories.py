"""State built directly: rows as they would be in the middle of things, without driving the engine there."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.contrib.auth.models import User

from outbox.append import Message, open_stream
from outbox.models import Stream
from tests.flows import ordering
from workflows.definitions import Workflow
from workflows.engine import plan as plans
from workflows.engine.lease import Lease
from workflows.models import Attempt, Run, Step
from workflows.services.failing import policy_of
from workflows.states import RUN_TERMINAL, STEP_TERMINAL, AttemptKind, RunState, StepState

NOW = datetime(2026, 11, 22, 9, 31, 4, 512000, tzinfo=UTC)


def messages(count: int) -> list[Message]:
    """Public events that say 0, 1, 2 …"""
    said = [{"template": "{n}", "params": {"n": number}, "text": str(number)} for number in range(count)]
    return [Message(type="message", payload=payload) for payload in said]


def make_stream(**fields: Any) -> Stream:
    stream = open_stream(uuid4())
    for name, value in fields.items():
        setattr(stream, name, value)
    stream.save()
    return stream


def make_run(
    owner: User,
    *,
    workflow: Workflow = ordering,
    state: RunState = RunState.RUNNING,
    steps: tuple[StepState, ...] = (),
    input: dict[str, Any] | None = None,
    **fields: Any,
) -> Run:
    """A run whose first steps are in `steps`; the others are pending."""
    plan = plans.freeze(workflow)
    values = {
        "workflow": workflow.name,
        "version": workflow.version,
        "plan": plan.to_json(),
        "plan_hash": plan.fingerprint(),
        "state": state,
        "input": workflow.input(**(input or {})).model_dump(mode="json"),
        "owner": owner,
        "title": "Order of a lamp",
        "created_at": NOW,
        "started_at": NOW,
        "finished_at": NOW if state in RUN_TERMINAL else None,
        "error": {
            "code": "closed",
            "detail": "The shop is closed.",
            "retryable": True,
            "error_class": "Retryable",
        }
        if state == RunState.FAILED
        else None,
    }
    run = Run.objects.create(**{**values, **fields})
    open_stream(run.id)
    for planned in plan.steps:
        step_state = steps[planned.position] if planned.position < len(steps) else StepState.PENDING
        make_step(run, planned, state=step_state)
    return run


def make_step(run: Run, planned: plans.PlannedStep, *, state: StepState) -> Step:
    """A step in `state`, with what that state implies: alarm, lease, attempt, output."""
    begun = state not in (StepState.PENDING, StepState.READY)
    step = Step(
        run=run,
        kind=planned.kind,
        position=planned.position,
        stage=planned.stage,
        branch=planned.branch,
        name=planned.name,
        title=planned.title,
        queue=planned.queue,
        has_undo=planned.has_undo,
        no_return=planned.pivot or planned.retry_only,
        timeout_seconds=planned.timeout,
        idle_timeout_seconds=planned.idle_timeout,
        state=state,
        attempt_count=1 if begun else 0,
        max_attempts=planned.attempts,
        max_undo_attempts=5,
        due_at=None if state in {StepState.PENDING, *STEP_TERMINAL} else NOW + timedelta(seconds=10),
        ready_at=NOW if state == StepState.READY else None,
        started_at=NOW if begun else None,
        finished_at=NOW if state in STEP_TERMINAL else None,
        output={"text": "a lamp reserved"} if state == StepState.COMPLETED else None,
    )
    if state == StepState.RUNNING:
        step.lend(
            uuid4(),
            holder="another-host/1:1:1.00",
            lease=timedelta(seconds=30),
            deadline=run.by_deadline(NOW + timedelta(seconds=planned.timeout)),
            idle=planned.idle_timeout,
            now=NOW,
        )
    step.save()
    if begun:
        running = state == StepState.RUNNING
        Attempt.objects.create(
            step=step,
            kind=AttemptKind.FORWARD,
            number=1,
            state="running" if running else "failed" if state == StepState.FAILED else "completed",
            worker=step.holder or "another-host/1:1:1.00",
            started_at=NOW,
            finished_at=None if running else NOW,
        )
    return step


def lease_of(step: Step, *, token: UUID | None = None) -> Lease:
    """The lease that the running step gave away, or a forged one with another token."""
    held = token or step.lease_token
    assert held is not None
    return Lease(
        step_id=step.id,
        run_id=step.run_id,
        step_name=step.name,
        handler=step.handler_name,
        workflow=step.run.workflow,
        version=step.run.version,
        token=held,
        kind=AttemptKind.FORWARD,
        number=step.attempt_count,
        policy=policy_of(step.run, step, AttemptKind.FORWARD),
        trace=step.run.trace,
    )
