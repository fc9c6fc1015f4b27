"""Run a run again, as a new one: a child with the same or another input, and what its parent has up to a step."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction

from outbox.clock import CLOCK, Clock
from workflows import telemetry
from workflows.definitions import registry
from workflows.engine import plan as plans
from workflows.models import Run, Step
from workflows.services.acting import Action, allow, audit, refuse, refuse_long_reason
from workflows.services.copying import gather
from workflows.services.journal import record
from workflows.services.keys import Request, find_answer
from workflows.services.start import start
from workflows.states import STEP_DONE


def rerun(
    run_id: UUID,
    *,
    by: User,
    from_step: str | None = None,
    input: Mapping[str, Any] | None = None,
    reason: str = "",
    request: Request | None = None,
    called_from: telemetry.Trace | None = None,
    clock: Clock = CLOCK,
) -> Run:
    """Start a new run of the same workflow and version for the same owner, with `parent` set. Returns the new run.

    from_step: what the parent has of the steps before it is copied, not done again (nor undone: that stays the
    parent's). input: another input than the parent's. called_from: as of `start`. Raises InvalidTransition while the
    parent is at work or when a step before `from_step` is not done there, InvalidInput, UnknownWorkflow, KeyReused,
    StoredValueLost.
    """
    refuse_long_reason(reason)
    answered = find_answer(request, now=clock.now())
    if answered is not None:
        return answered
    action = Action(verb="rerun", by=by, reason=reason, request=request)
    parent = _begin(run_id, action, clock=clock)
    workflow = registry.find(parent.workflow, version=parent.version)
    reused = gather(parent, _names_before(parent, plans.freeze(workflow), from_step))
    return start(
        workflow,
        input=parent.input if input is None else input,
        owner=parent.owner,
        title=parent.title if input is None else None,
        labels=parent.labels,
        parent=parent,
        reused=reused,
        request=request,
        called_from=called_from,
        clock=clock,
    )


def _begin(run_id: UUID, action: Action, *, clock: Clock) -> Run:
    """Guard and audit on the parent's side, announced in its log."""
    with transaction.atomic(durable=True):
        parent = Run.objects.locked(run_id)
        allow(parent, Step.objects.locked(run_id), action.verb)
        now = clock.now()
        record(parent.id, [audit(parent, action, before=parent.state, now=now)], now=now)
    return parent


def _names_before(parent: Run, plan: plans.Plan, from_step: str | None) -> list[str]:
    if from_step is None:
        return []
    steps = list(parent.steps.filter(parent__isnull=True).defer("output", "item"))
    named = next((step for step in plan.steps if step.name == from_step), None)
    if named is None:
        refuse(parent, steps, f"workflow {parent.workflow} has no step {from_step!r}")
        raise AssertionError("unreachable: refuse() raises")
    again = set(plans.and_after(plan, named.position))
    before = [step.name for step in plan.steps if step.position not in again]
    done = {step.name for step in steps if step.state in STEP_DONE}
    missing = [name for name in before if name not in done]
    if missing:
        refuse(parent, steps, f"{missing[0]} is not done in this run, so its output cannot be used again")
    return before
