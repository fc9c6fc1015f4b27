"""Run a run again, as a new one: a child with the same or another input, and what its parent has up to a step."""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from uuid_utils.compat import uuid7

from outbox.clock import CLOCK, Clock
from outbox.connections import PASSING
from workflows import storage, telemetry
from workflows.definitions import registry
from workflows.engine import plan as plans
from workflows.models import Run, Step
from workflows.services.acting import Action, allow, audit, refuse, refuse_long_reason
from workflows.services.copying import Reused, gather
from workflows.services.inputs import validate_input
from workflows.services.journal import record
from workflows.services.keys import Request, find_answer
from workflows.services.start import Origin, start
from workflows.states import STEP_DONE

logger = logging.getLogger(__name__)


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
    parent = Run.objects.get(pk=run_id)
    workflow = registry.find(parent.workflow, version=parent.version)
    steps = list(parent.steps.filter(parent__isnull=True).defer("output", "item").order_by("position"))
    allow(parent, steps, action.verb)
    names = _names_before(parent, steps, plans.freeze(workflow), from_step)
    value = validate_input(workflow, parent.input if input is None else input)

    def begin(reused: Reused) -> Run:
        return start(
            workflow,
            input=value,
            owner=parent.owner,
            title=parent.title if input is None else None,
            labels=parent.labels,
            origin=Origin(parent=parent, reused=reused, in_commit=partial(_tell, run_id, action)),
            request=request,
            called_from=called_from,
            clock=clock,
        )

    return _with_copies(parent, names, begin)


def _with_copies(parent: Run, names: Sequence[str], begin: Callable[[Reused], Run]) -> Run:
    """Begin a child with copies of the parent's files, which go again when it did not come to be."""
    child_id = uuid7()
    try:
        child = begin(gather(parent, names, run_id=child_id))
    except PASSING:
        raise  # the answer of a commit may be lost: a file too many is better than a child without its files
    except Exception:
        _discard(child_id)
        raise
    if child.pk != child_id:  # an equal request was first
        _discard(child_id)
    return child


def _discard(child_id: UUID) -> None:
    try:
        storage.remove_all(child_id)
    except Exception:
        logger.exception("copies for a run that was not made are left", extra={"run": str(child_id)})


def _tell(run_id: UUID, action: Action, now: datetime) -> None:
    """Guard again, under the parent's lock; audit on the parent's side, announced in its log."""
    parent = Run.objects.locked(run_id)
    allow(parent, Step.objects.locked(run_id), action.verb)
    record(parent.id, [audit(parent, action, before=parent.state, now=now)], now=now)


def _names_before(parent: Run, steps: list[Step], plan: plans.Plan, from_step: str | None) -> list[str]:
    if from_step is None:
        return []
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
