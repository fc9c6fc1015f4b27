"""Start a run: run, steps, stream and `run.created` in one commit."""

import logging
from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from pydantic import BaseModel, ValidationError

from outbox.append import open_stream
from outbox.clock import CLOCK, Clock
from workflows import events
from workflows.conf import conf
from workflows.definitions import Workflow
from workflows.dispatch import send_on_commit
from workflows.engine import plan as plans
from workflows.engine.storable import storable
from workflows.errors import InvalidInput
from workflows.models import Run, Step
from workflows.services.advance import chain_from, open_next
from workflows.services.journal import record

logger = logging.getLogger(__name__)

TITLE_MAX_CHARS = 200


def start(
    workflow: Workflow,
    *,
    input: BaseModel | Mapping[str, Any],
    owner: User,
    title: str | None = None,
    labels: Mapping[str, str] | None = None,
    clock: Clock = CLOCK,
) -> Run:
    """Create a run of `workflow` and send its first steps. Returns the run, pending.

    Raises InvalidInput when `input` does not fit the workflow's model.
    """
    value = validate_input(workflow, input)
    plan = plans.freeze(workflow)
    with transaction.atomic(durable=True):
        now = clock.now()
        run = Run.objects.create(
            workflow=workflow.name,
            version=workflow.version,
            plan=plan.to_json(),
            plan_hash=plan.fingerprint(),
            input=storable(value.model_dump(mode="json")),
            owner=owner,
            title=storable(title or workflow.title_for(value))[:TITLE_MAX_CHARS],
            labels=storable(dict(labels or {})),
            created_at=now,
        )
        steps = Step.objects.bulk_create(_step(run, planned) for planned in plan.steps)
        open_stream(run.id)
        open_next(run, steps, now=now)
        record(run.id, [events.message(_created(run, plan))], now=now)
        send_on_commit([chain_from(run, steps, 0)])  # after the log's wake-up: a broker may be slow
    return run


def validate_input(workflow: Workflow, value: BaseModel | Mapping[str, Any]) -> BaseModel:
    """The input as the workflow's model. Raises InvalidInput with a pointer and a sentence for each fault."""
    if isinstance(value, workflow.input):
        return value
    try:
        return workflow.input.model_validate(value)
    except ValidationError as error:
        faults = [
            ("/" + "/".join(str(part) for part in fault["loc"]), str(fault["type"]), str(fault["msg"]))
            for fault in error.errors()
        ]
        raise InvalidInput(
            f"the input does not fit {workflow.name}: {faults[0][2]}", errors=faults
        ) from error


def _step(run: Run, planned: plans.PlannedStep) -> Step:
    return Step(
        run=run,
        position=planned.position,
        stage=planned.stage,
        branch=planned.branch,
        name=planned.name,
        title=planned.title,
        queue=planned.queue,
        has_undo=planned.has_undo,
        timeout_seconds=planned.timeout,
        idle_timeout_seconds=planned.idle_timeout,
        max_attempts=planned.attempts,
        max_undo_attempts=conf().undo_attempts if planned.has_undo else 0,
    )


def _created(run: Run, plan: plans.Plan) -> events.RunCreated:
    fields = events.PlannedStepData.model_fields
    steps = [events.PlannedStepData(**{name: getattr(step, name) for name in fields}) for step in plan.steps]
    return events.RunCreated(workflow=run.workflow, version=run.version, title=run.title, steps=steps)
