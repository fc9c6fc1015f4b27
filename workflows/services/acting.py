"""What every verb has in common: one transaction, guarded by the run's state, audited, announced, idempotent."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import User

from outbox.append import Message
from outbox.clock import Clock
from workflows import events
from workflows.conf import conf
from workflows.engine.storable import storable
from workflows.errors import InvalidInput, InvalidTransition
from workflows.models import AuditEntry, Run, Step
from workflows.services.journal import record
from workflows.services.keys import Request, among_rivals, find_answer, keep_answer
from workflows.services.undoing import needs_undo, point_of_no_return
from workflows.states import RUN_FORWARD, RUN_TERMINAL, RunState, StepKind, StepState

SKIPPABLE = {
    StepState.PENDING,
    StepState.READY,
    StepState.RETRYING,
    StepState.WAITING,
    StepState.FAILED,
    StepState.CANCELLED,
}


@dataclass(frozen=True, kw_only=True)
class Action:
    """One use of a verb. by: who acts. reason: why, in their words. request: their idempotency key, if any."""

    verb: str
    by: User
    reason: str = ""
    request: Request | None = None


# What a verb changes, and the events that say so: the run and the steps of its plan are locked.
Change = Callable[[Run, list[Step], datetime], Sequence[Message]]


def perform(run_id: UUID, action: Action, change: Change, *, clock: Clock) -> Run:
    """Do `change` in one transaction, if the run's state allows the verb.

    Raises InvalidTransition, InvalidInput for a reason too long, KeyReused, Run.DoesNotExist, and what `change` raises.
    """
    refuse_long_reason(action.reason)
    return among_rivals(
        lambda: _perform(run_id, action, change, clock=clock), contender=lambda: Run.objects.get(pk=run_id)
    )


def _perform(run_id: UUID, action: Action, change: Change, *, clock: Clock) -> Run:
    run = Run.objects.locked(run_id)
    answered = find_answer(action.request, now=clock.now())
    if answered is not None:
        return answered
    steps = Step.objects.locked(run_id)
    allow(run, steps, action.verb)
    now, before = clock.now(), run.state
    messages = change(run, steps, now)
    acted = audit(run, action, before=before, now=now)
    record(run.id, [acted, *messages], now=now)
    keep_answer(action.request, run, now=now)
    return run


def allowed_actions(run: Run, steps: Sequence[Step]) -> list[str]:
    """The verbs that fit the run's state; the same list in API, admin and page. `steps` in order of position."""
    actions = []
    if run.erase_requested_at is not None:
        return ["erase"]
    if run.state in RUN_FORWARD:
        actions.append("cancel")
    if run.state in (RunState.FAILED, RunState.CANCELLED):
        actions.append("retry")
    if run.state in RUN_TERMINAL:
        actions.append("rerun")
    if run.state in {*RUN_FORWARD, RunState.FAILED} and any(_may_be_skipped(step) for step in steps):
        actions.append("skip")
    if any(step.state == StepState.WAITING for step in steps):
        actions.append("signal")
    if can_compensate(run, steps):
        actions.append("compensate")
    if run.state in RUN_TERMINAL:
        actions.append("erase")
    return actions


def _may_be_skipped(step: Step) -> bool:
    """It, or a part of it: which parts of a fan-out nobody works on is not asked here, there may be thousands."""
    return step.state in SKIPPABLE or (step.kind == StepKind.FAN_OUT and step.state == StepState.RUNNING)


def can_compensate(run: Run, steps: Sequence[Step]) -> bool:
    """Something is left to undo, nothing is at work, and no pivot was passed."""
    if run.state == RunState.COMPENSATION_FAILED:
        return True
    ended = run.state in (RunState.FAILED, RunState.COMPLETED, RunState.CANCELLED)
    return ended and bool(needs_undo(steps)) and point_of_no_return(steps) is None


def allow(run: Run, steps: Sequence[Step], verb: str) -> None:
    """Raises InvalidTransition, with the verbs that fit, unless `verb` is one of them."""
    allowed = allowed_actions(run, steps)
    if verb not in allowed:
        can = f"it can {' or '.join(allowed)}" if allowed else "nothing can be done to it now"
        refuse(run, steps, f"a run that is {run.state} cannot {verb}: {can}")


def refuse(run: Run, steps: Sequence[Step], detail: str) -> None:
    """Raise InvalidTransition with a sentence of one's own."""
    raise InvalidTransition(detail, current_state=run.state, allowed_actions=allowed_actions(run, steps))


def refuse_long_reason(reason: str) -> None:
    limit = conf().reason_max_chars
    if len(reason) > limit:
        detail = f"a reason has at most {limit} characters, this one has {len(reason)}"
        raise InvalidInput(detail, errors=[("/reason", "too_long", detail)])


def audit(run: Run, action: Action, *, before: str, now: datetime) -> Message:
    """Write who did what and why, in the commit of the action; returns the event that tells it."""
    reason = storable(action.reason)
    AuditEntry.objects.create(
        run=run,
        run_ref=run.id,
        actor=action.by,
        action=action.verb,
        reason=reason,
        before=before,
        after=run.state,
        created_at=now,
    )
    done = events.OperatorAction(action=action.verb, by=action.by.get_username(), reason=reason)
    return events.message(done)
