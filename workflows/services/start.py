"""Start a run: run, steps, stream and `run.created` in one commit."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from django.contrib.auth.models import User
from pydantic import BaseModel

from outbox.append import open_stream
from outbox.clock import CLOCK, Clock
from workflows import events, telemetry
from workflows.conf import conf
from workflows.definitions import Workflow
from workflows.engine import plan as plans
from workflows.engine.storable import storable
from workflows.errors import InvalidInput
from workflows.models import Run, Step
from workflows.services.advance import advance
from workflows.services.copying import Reused, insert_copies, take_over
from workflows.services.inputs import dumped, to_store, validate_input
from workflows.services.journal import record
from workflows.services.keys import (
    Request,
    among_rivals,
    find_answer,
    keep_answer,
    live_twin,
    refuse_long,
    refuse_taken_key,
)
from workflows.services.steering import give_up_key

TITLE_MAX_CHARS = 200

OnConflict = Literal["reject", "return", "cancel_existing"]


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What a rerun gives its child. in_commit: told the time, it does the parent's share of the child's commit."""

    parent: Run
    reused: Reused
    in_commit: Callable[[datetime], None]


def start(
    workflow: Workflow,
    *,
    input: BaseModel | Mapping[str, Any],
    owner: User,
    title: str | None = None,
    labels: Mapping[str, str] | None = None,
    unique_key: str | None = None,
    on_conflict: OnConflict = "reject",
    not_before: datetime | None = None,
    origin: Origin | None = None,
    request: Request | None = None,
    called_from: telemetry.Trace | None = None,
    clock: Clock = CLOCK,
) -> Run:
    """Create a run of `workflow` and send its first steps. Returns the run, pending.

    unique_key: at most one live run of this owner and workflow has it; `on_conflict` says what happens to a second:
    "reject" raises UniqueKeyConflict, "return" gives the live one, "cancel_existing" cancels that and starts.
    not_before: when the first steps open, not too far ahead. request: the caller's idempotency key; the same request
    again returns the same run. origin: of a rerun. called_from: the trace that the run belongs to,
    `telemetry.incoming(headers)`; None: one of its own. Raises InvalidInput when `input` does not fit the workflow's
    model, `not_before` is too far ahead, or something cannot be stored; KeyReused.
    """
    # Before anything is judged: a deploy since then may have made the rules stricter.
    if (answered := find_answer(request, now=clock.now())) is not None:
        return answered
    value = validate_input(workflow, input)
    refuse_long("unique_key", unique_key)
    refuse_far(not_before, now=clock.now())
    draft = Run(
        workflow=workflow.name,
        version=workflow.version,
        input=dumped(value, what=f"the input does not fit {workflow.name}"),
        owner=owner,
        title=storable(title or workflow.title_for(value))[:TITLE_MAX_CHARS],
        labels=to_store(dict(labels or {}), what="the labels cannot be stored"),
        unique_key=unique_key,
    )
    if origin is not None:
        draft.parent, draft.id = origin.parent, origin.reused.run_id
    draft.trace_context = telemetry.begin(draft.id, called_from).to_json()
    plan = plans.freeze(workflow)

    def write() -> Run:
        answered = find_answer(request, now=clock.now())
        if answered is not None:
            return answered
        existing = _make_room(draft, on_conflict=on_conflict, clock=clock)
        now = clock.now()
        run = existing or _create(draft, plan, not_before=not_before, origin=origin, now=now)
        keep_answer(request, run, now=now)
        return run

    return among_rivals(write, contender=lambda: draft)


def _make_room(draft: Run, *, on_conflict: OnConflict, clock: Clock) -> Run | None:
    """What happens to a live run with the same unique key; returns it when it takes the new one's place."""
    if on_conflict == "return":
        return live_twin(draft)
    if on_conflict == "reject":
        refuse_taken_key(
            draft, way_out="wait for its end, or start with on_conflict 'return' or 'cancel_existing'"
        )
        return None
    # Until it is locked, a rival may take its key for a run of its own: then that one is to be cancelled.
    while (existing := live_twin(draft)) is not None:
        give_up_key(existing, by=draft.owner, clock=clock)
    return None


def _create(
    draft: Run, plan: plans.Plan, *, not_before: datetime | None, origin: Origin | None, now: datetime
) -> Run:
    reused = None
    if origin is not None:
        origin.in_commit(now)
        reused = origin.reused
    begins = max(now, not_before).astimezone(UTC) if not_before else now
    draft.plan, draft.plan_hash = plan.to_json(), plan.fingerprint()
    draft.created_at = now
    if plan.deadline is not None:
        draft.deadline_at = begins + timedelta(seconds=plan.deadline)
    draft.save(force_insert=True)
    steps = [_step(draft, planned) for planned in plan.steps]
    if reused is not None:
        take_over(steps, reused, now=now)
    Step.objects.bulk_create(steps)
    open_stream(draft.id)
    messages = [events.message(_created(draft, plan))]
    if reused is not None:
        messages += insert_copies(draft, steps, reused, first_seq=len(messages) + 1, now=now)
    if begins > now:
        Step.objects.set_start(draft.id, due_at=begins)
        record(draft.id, messages, now=now)
    else:
        moves = advance(draft, steps, now=now)
        record(draft.id, [*messages, *moves.messages], now=now)
        moves.send(draft, steps)  # after the log's wake-up: a broker may be slow
    return draft


def open_first(run: Run, steps: Sequence[Step], step: Step, *, now: datetime) -> None:
    """The time of a run that was to begin later has come. Run and steps are locked."""
    step.rest()
    step.save(update_fields=["due_at"])
    moves = advance(run, steps, now=now)
    if moves.messages:
        record(run.id, moves.messages, now=now)
    moves.send(run, steps)


def refuse_far(not_before: datetime | None, *, now: datetime) -> None:
    """Raises InvalidInput for a begin that no column holds, or that nobody can mean."""
    if not_before is None:
        return
    limit = conf().start_ahead_max_seconds
    if not_before.tzinfo is None:
        detail, code = "not_before has no time zone: end it with Z or an offset", "timezone_aware"
    # The difference, since the moment itself may be beyond the calendar as UTC.
    elif (not_before - now).total_seconds() > limit:
        detail, code = f"not_before is at most {limit / 86_400:g} days ahead", "too_far_ahead"
    else:
        return
    raise InvalidInput(detail, errors=[("/not_before", code, detail)])


def _step(run: Run, planned: plans.PlannedStep) -> Step:
    return Step(
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
        max_attempts=planned.attempts,
        max_undo_attempts=conf().undo_attempts if planned.has_undo else 0,
    )


def _created(run: Run, plan: plans.Plan) -> events.RunCreated:
    fields = events.PlannedStepData.model_fields
    steps = [events.PlannedStepData(**{name: getattr(step, name) for name in fields}) for step in plan.steps]
    return events.RunCreated(workflow=run.workflow, version=run.version, title=run.title, steps=steps)
