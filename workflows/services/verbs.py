"""What an operator may do to a run: each verb one transaction, guarded, audited, announced."""

from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction

from outbox.append import Message
from outbox.clock import CLOCK, Clock
from workflows import events
from workflows.conf import conf
from workflows.dispatch import send_on_commit
from workflows.engine.plan import Plan
from workflows.engine.storable import storable
from workflows.errors import InvalidInput, InvalidTransition
from workflows.models import AuditEntry, Run, Step
from workflows.services.advance import chain_from, first_alarm
from workflows.services.journal import record
from workflows.services.undoing import begin_compensation, needs_undo
from workflows.states import RunState, StepState


def retry(run_id: UUID, *, by: User, reason: str = "", clock: Clock = CLOCK) -> Run:
    """Let a failed run go on from its failed steps, with as many attempts again; what is done stays done.

    Raises InvalidTransition unless the run has failed, InvalidInput for a reason too long, Run.DoesNotExist.
    """
    _refuse_long(reason)
    with transaction.atomic(durable=True):
        run = Run.objects.locked(run_id)
        steps = Step.objects.locked(run_id)
        _allow(run, steps, "retry")
        now = clock.now()
        plan = Plan.from_json(run.plan)
        failed = [step for step in steps if step.state == StepState.FAILED]
        run.resume()
        run.save()
        for step in failed:
            step.reopen(attempts=plan.step(step.position).attempts, due_at=first_alarm(now))
            step.save()
        resumed = events.RunResumed(by=by.get_username(), from_step=failed[0].name)
        acted = _audit(run, "retry", by=by, reason=reason, before=RunState.FAILED, now=now)
        record(run.id, [acted, events.message(resumed)], now=now)
        send_on_commit([chain_from(run, steps, step.position) for step in failed])
    return run


def compensate(run_id: UUID, *, by: User, reason: str = "", clock: Clock = CLOCK) -> Run:
    """Undo the completed steps, newest first; after `compensation_failed`, go on with the undo that failed.

    Raises InvalidTransition when the run is at work or has nothing to undo, InvalidInput for a reason too long,
    Run.DoesNotExist.
    """
    _refuse_long(reason)
    with transaction.atomic(durable=True):
        run = Run.objects.locked(run_id)
        steps = Step.objects.locked(run_id)
        _allow(run, steps, "compensate")
        now, before = clock.now(), run.state
        messages = begin_compensation(run, steps, now=now)
        acted = _audit(run, "compensate", by=by, reason=reason, before=before, now=now)
        record(run.id, [acted, *messages], now=now)
    return run


def allowed_actions(run: Run, steps: list[Step]) -> list[str]:
    """The verbs that fit the run's state; the same list in API, admin and page. `steps` in order of position."""
    actions = []
    if run.state == RunState.FAILED:
        actions.append("retry")
    resumable_undo = run.state == RunState.COMPENSATION_FAILED
    if resumable_undo or (run.state in (RunState.FAILED, RunState.COMPLETED) and needs_undo(steps)):
        actions.append("compensate")
    return actions


def _allow(run: Run, steps: list[Step], action: str) -> None:
    allowed = allowed_actions(run, steps)
    if action not in allowed:
        can = f"it can {' or '.join(allowed)}" if allowed else "nothing can be done to it now"
        raise InvalidTransition(
            f"a run that is {run.state} cannot {action}: {can}",
            current_state=run.state,
            allowed_actions=allowed,
        )


def _refuse_long(reason: str) -> None:
    limit = conf().reason_max_chars
    if len(reason) > limit:
        detail = f"a reason has at most {limit} characters, this one has {len(reason)}"
        raise InvalidInput(detail, errors=[("/reason", "too_long", detail)])


def _audit(run: Run, action: str, *, by: User, reason: str, before: str, now: datetime) -> Message:
    reason = storable(reason)
    AuditEntry.objects.create(
        run=run, actor=by, action=action, reason=reason, before=before, after=run.state, created_at=now
    )
    return events.message(events.OperatorAction(action=action, by=by.get_username(), reason=reason))
