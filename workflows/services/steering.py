"""Verbs that turn a run: cancel it, let it go on, undo it."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import User

from outbox.append import Message
from outbox.clock import CLOCK, Clock
from workflows import events
from workflows.engine.plan import Plan, and_after
from workflows.errors import InvalidTransition
from workflows.models import Run, Step
from workflows.services.acting import Action, audit, perform, refuse
from workflows.services.advance import advance
from workflows.services.journal import record
from workflows.services.keys import Request, answer_with, refuse_taken_key
from workflows.services.stopping import ask_to_stop
from workflows.services.undoing import begin_compensation, point_of_no_return
from workflows.states import RUN_FORWARD, RUN_TERMINAL, RunState, StepKind, StepState

RUN_UNDONE = {RunState.COMPENSATING, RunState.COMPENSATED, RunState.COMPENSATION_FAILED}
UNDONE = {StepState.COMPENSATING, StepState.COMPENSATED, StepState.COMPENSATION_FAILED}
# What a retry always does: what failed, and what was put back or cancelled because of it, some with attempts spent.
UNFINISHED = {StepState.FAILED, StepState.CANCELLED, StepState.PENDING}


def cancel(
    run_id: UUID,
    *,
    by: User,
    undo: bool | None = None,
    reason: str = "",
    request: Request | None = None,
    clock: Clock = CLOCK,
) -> Run:
    """Stop a run: what has not begun never will; a step at work is asked to stop, and fenced off if it does not.

    undo: True undoes the completed steps then, False keeps them, None does what the workflow's `on_failure` says.
    A run that is being cancelled, or was, stays as it is: the first word counts, also once its undo has begun. Raises
    InvalidTransition when the run has ended otherwise, is being undone for another reason, or must be undone but has
    passed its pivot.
    """
    known = Run.objects.filter(pk=run_id).first()
    if known is not None and _was_cancelled(known):
        return answer_with(run_id, request, clock=clock)

    def change(run: Run, steps: list[Step], now: datetime) -> Sequence[Message]:
        return _cancel(run, steps, by=by, undo=undo, now=now)

    action = Action(verb="cancel", by=by, reason=reason, request=request)
    try:
        return perform(run_id, action, change, clock=clock)
    except InvalidTransition:
        known = Run.objects.get(pk=run_id)
        if _was_cancelled(known):  # a rival was first
            return answer_with(run_id, request, clock=clock)
        raise


def _was_cancelled(run: Run) -> bool:
    if run.state in (RunState.CANCELLING, RunState.CANCELLED):
        return True
    return run.undoes_when_cancelled and run.state in RUN_UNDONE


def _cancel(run: Run, steps: list[Step], *, by: User, undo: bool | None, now: datetime) -> list[Message]:
    returns = point_of_no_return(steps)
    if undo and returns is not None:
        refuse(
            run,
            steps,
            f"step {returns.name} cannot be undone any more: cancel with undo=False, or let it end",
        )
    wanted = undo if undo is not None else Plan.from_json(run.plan).on_failure == "compensate"
    run.cancel(undo=wanted)
    run.save()
    ask_to_stop(steps, now=now)
    cancelling = events.message(events.RunCancelling(by=by.get_username(), undo=wanted))
    return [cancelling, *advance(run, steps, now=now).send(run, steps)]


def give_up_key(run: Run, *, by: User, clock: Clock) -> None:
    """Cancel the live run that has a unique key, so that another may have it. Inside the caller's transaction.

    Nothing happens to a run that has lost it to a rival, or ended, before it could be locked.
    """
    locked = Run.objects.locked(run.id)
    steps = Step.objects.locked(run.id)
    if locked.state in RUN_TERMINAL or locked.unique_key != run.unique_key:
        return
    now, before = clock.now(), locked.state
    locked.unique_key = None
    locked.save(update_fields=["unique_key"])
    if locked.state not in RUN_FORWARD:  # it is ending already
        return
    messages = _cancel(locked, steps, by=by, undo=None, now=now)
    reason = "Another run was started under its unique key."
    acted = audit(locked, Action(verb="cancel", by=by, reason=reason), before=before, now=now)
    record(locked.id, [acted, *messages], now=now)


def retry(
    run_id: UUID,
    *,
    by: User,
    from_step: str | None = None,
    reason: str = "",
    request: Request | None = None,
    clock: Clock = CLOCK,
) -> Run:
    """Let a run go on that failed or was cancelled, with as many attempts again; what is done stays done.

    from_step: do this step and all after it again, although they may be done; an undo is still owed for what they did.
    Raises InvalidTransition when the run is at work, has completed, was undone, or has no such step;
    UniqueKeyConflict when a live run has its unique key by now.
    """

    def change(run: Run, steps: list[Step], now: datetime) -> Sequence[Message]:
        plan = Plan.from_json(run.plan)
        named = _named(run, steps, plan, from_step)
        refuse_taken_key(run)
        again = [step for step in steps if step.position in named or step.state in UNFINISHED]
        messages = [_reset(step, plan, completed_too=step.position in named) for step in again]
        run.resume(deadline_at=plan.deadline_from(now), now=now)
        run.save()
        # None left: it was cancelled while its last step ended, and now it completes.
        first = from_step or (again[0] if again else steps[-1]).name
        resumed = events.RunResumed(by=by.get_username(), from_step=first)
        moves = advance(run, steps, now=now)
        return [events.message(resumed), *filter(None, messages), *moves.send(run, steps)]

    return perform(run_id, Action(verb="retry", by=by, reason=reason, request=request), change, clock=clock)


def _named(run: Run, steps: list[Step], plan: Plan, from_step: str | None) -> set[int]:
    """Positions of the steps that are done again even if they are done: `from_step` and all after it."""
    if any(step.state in UNDONE for step in steps):
        refuse(run, steps, "steps of this run were undone: run it again as a new one (rerun)")
    if from_step is None:
        return set()
    named = next((step for step in steps if step.name == from_step), None)
    if named is None:
        names = ", ".join(step.name for step in steps)
        refuse(run, steps, f"this run has no step {from_step!r}; it has {names}")
        raise AssertionError("unreachable: refuse() raises")
    return set(and_after(plan, named.position))


def _reset(step: Step, plan: Plan, *, completed_too: bool) -> Message | None:
    """The event is for steps that had begun: of the others nobody thinks that they ended."""
    had_begun = step.state != StepState.PENDING
    attempts = plan.step(step.position).attempts
    step.reset(attempts=attempts)
    step.save()
    if step.kind == StepKind.FAN_OUT:
        Step.objects.reset_parts(step, attempts=attempts, completed_too=completed_too)
    return events.message(events.StepReset(), step=step.name) if had_begun else None


def compensate(
    run_id: UUID, *, by: User, reason: str = "", request: Request | None = None, clock: Clock = CLOCK
) -> Run:
    """Undo the completed steps, newest first; after `compensation_failed`, go on with the undo that failed.

    Raises InvalidTransition when the run is at work, has nothing to undo or has passed its pivot; UniqueKeyConflict
    as `retry`: while it is undone, a run is alive.
    """

    def change(run: Run, steps: list[Step], now: datetime) -> Sequence[Message]:
        refuse_taken_key(run)
        return begin_compensation(run, steps, now=now)

    action = Action(verb="compensate", by=by, reason=reason, request=request)
    return perform(run_id, action, change, clock=clock)
