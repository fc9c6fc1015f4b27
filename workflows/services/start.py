"""Start a run: run, steps, stream and `run.created` in one commit."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeVar

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from pydantic import BaseModel, ValidationError

from outbox.append import open_stream
from outbox.clock import CLOCK, Clock
from workflows import events, telemetry
from workflows.conf import conf
from workflows.definitions import Workflow
from workflows.engine import plan as plans
from workflows.engine.storable import storable
from workflows.errors import InvalidInput, UniqueKeyConflict
from workflows.models import Run, Step
from workflows.services.advance import advance
from workflows.services.copying import Reused, insert_copies, take_over
from workflows.services.journal import record
from workflows.services.keys import Request, find_answer, keep_answer, refuse_long
from workflows.services.steering import give_up_key
from workflows.states import RUN_TERMINAL

TITLE_MAX_CHARS = 200

OnConflict = Literal["reject", "return", "cancel_existing"]
Valid = TypeVar("Valid", bound=BaseModel)


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
    parent: Run | None = None,
    reused: Reused | None = None,
    request: Request | None = None,
    called_from: telemetry.Trace | None = None,
    clock: Clock = CLOCK,
) -> Run:
    """Create a run of `workflow` and send its first steps. Returns the run, pending.

    unique_key: at most one live run of this owner and workflow has it; `on_conflict` says what happens to a second:
    "reject" raises UniqueKeyConflict, "return" gives the live one, "cancel_existing" cancels that and starts.
    not_before: when the first steps open. request: the caller's idempotency key; the same request again returns the
    same run. parent, reused: of a rerun. called_from: the trace that the run belongs to, `telemetry.incoming(headers)`;
    None: one of its own. Raises InvalidInput when `input` does not fit the workflow's model, `not_before` is too far
    ahead or a key is too long, KeyReused.
    """
    value = validate_input(workflow, input)
    refuse_long("unique_key", unique_key)
    refuse_far(not_before, now=clock.now())
    draft = Run(
        workflow=workflow.name,
        version=workflow.version,
        input=storable(value.model_dump(mode="json")),
        owner=owner,
        title=storable(title or workflow.title_for(value))[:TITLE_MAX_CHARS],
        labels=storable(dict(labels or {})),
        unique_key=unique_key,
        parent=parent,
    )
    if reused is not None:
        draft.id = reused.run_id
    draft.trace_context = telemetry.begin(draft.id, called_from).to_json()
    plan = plans.freeze(workflow)
    for again in (False, True):
        try:
            with transaction.atomic(durable=True):
                answered = find_answer(request, now=clock.now())
                if answered is not None:
                    return answered
                existing = _make_room(draft, on_conflict=on_conflict, clock=clock)
                now = clock.now()
                run = existing or _create(draft, plan, not_before=not_before, reused=reused, now=now)
                keep_answer(request, run, now=now)
                return run
        except IntegrityError:
            # A rival's commit came between our look and our insert: the second look sees it.
            if again:
                raise
    raise AssertionError("unreachable: the second try returns or raises")


def _make_room(draft: Run, *, on_conflict: OnConflict, clock: Clock) -> Run | None:
    """What happens to a live run with the same unique key; returns it when it takes the new one's place."""
    existing = _live_twin(draft)
    if existing is None or on_conflict == "return":
        return existing
    if on_conflict == "reject":
        raise UniqueKeyConflict(
            f"run {existing.id} has the unique key {draft.unique_key!r} and is {existing.state}; "
            "wait for its end, or start with on_conflict 'return' or 'cancel_existing'",
            existing=existing.id,
        )
    give_up_key(existing, by=draft.owner, clock=clock)
    return None


def _live_twin(draft: Run) -> Run | None:
    if draft.unique_key is None:
        return None
    twins = Run.objects.filter(owner=draft.owner, workflow=draft.workflow, unique_key=draft.unique_key)
    return twins.exclude(state__in=sorted(RUN_TERMINAL)).first()


def _create(
    draft: Run, plan: plans.Plan, *, not_before: datetime | None, reused: Reused | None, now: datetime
) -> Run:
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


def validate_input(workflow: Workflow, value: BaseModel | Mapping[str, Any]) -> BaseModel:
    """The input as the workflow's model. Raises InvalidInput with a pointer and a sentence for each fault."""
    if isinstance(value, workflow.input):
        return value
    return validated(workflow.input, value, what=f"the input does not fit {workflow.name}")


def validated(model: type[Valid], value: Any, *, what: str) -> Valid:
    """`value` as `model`. Raises InvalidInput, `what` first, with a pointer and a sentence for each fault."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        faults = [
            ("/" + "/".join(str(part) for part in fault["loc"]), str(fault["type"]), str(fault["msg"]))
            for fault in error.errors()
        ]
        raise InvalidInput(f"{what}: {faults[0][2]}", errors=faults) from error


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
