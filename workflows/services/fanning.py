"""Fan-outs: one part for each item of an earlier step, joined under the run's lock.

A part is a step of its own, found by its parent; nothing of the others is read or written when it moves, so that the
thousandth costs what the first does. The parent has no lease: it begins when its parts are made and ends with the last.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from outbox.append import Message
from workflows import events
from workflows.conf import conf
from workflows.engine.outcomes import ErrorInfo
from workflows.engine.plan import Plan, PlannedStep
from workflows.errors import StoredValueLost
from workflows.models import Item, Run, Step
from workflows.services.links import first_alarm
from workflows.services.outputs import blob_of, read_output
from workflows.states import StepKind, StepState

OPEN = [StepState.PENDING, StepState.READY, StepState.RUNNING, StepState.RETRYING]
COPIED = ("kind", "run", "position", "stage", "branch", "title", "queue", "has_undo", "no_return")


def expand(run: Run, steps: Sequence[Step], step: Step, *, now: datetime) -> tuple[list[Step], list[Message]]:
    """Begin a fan-out: make its parts, or open those that it has from an earlier round. Returns the opened ones.

    Without items it completes at once. With more than `fan_out_max_parts`, or when they are lost, it fails, and the run
    stops.
    """
    planned = Plan.from_json(run.plan).step(step.position)
    source = next(other for other in steps if other.name == planned.over)
    items, fault = _usable_items(source)
    unknown = step.outcome_unknown
    step.expand(now=now)
    if fault is not None:
        step.outcome_unknown = unknown  # no part was made: nothing more can have had an effect
        return [], _refuse(run, step, fault, now=now)
    step.save()
    _make_parts(run, step, planned, items, now=now)
    Step.objects.open_parts(step, due_at=first_alarm(run, now), now=now)
    opened = list(step.parts.filter(state=StepState.READY).defer("output", "item").order_by("index"))
    started = events.message(events.StepStarted(title=step.title), step=step.name)
    expanded = events.message(events.StepExpanded(parts=len(items)), step=step.name)
    messages = [started, expanded]
    return opened, messages if opened else [*messages, *join(run, steps, now=now)]


def _usable_items(source: Step) -> tuple[list[Any], ErrorInfo | None]:
    """The items, or why there can be no parts of them."""
    try:
        items = _items_of(source)
    except StoredValueLost as error:  # of a run that took its outputs over from another one
        return [], ErrorInfo(code=error.code, detail=error.detail, retryable=False)
    return items, _too_many(len(items)) if len(items) > conf().fan_out_max_parts else None


def _items_of(source: Step) -> list[Any]:
    """What the earlier step streamed, in order; or the elements of the list that it returned."""
    if source.items_count:
        rows = Item.objects.current().filter(step=source).order_by("index")
        return list(rows.values_list("data", flat=True))
    output = read_output(source.id)
    return output if isinstance(output, list) else []


def _too_many(count: int) -> ErrorInfo:
    return ErrorInfo(
        code="too-many-parts",
        detail=f"{count} items are more than the {conf().fan_out_max_parts} parts that a step may have.",
        retryable=False,
    )


def _refuse(run: Run, step: Step, error: ErrorInfo, *, now: datetime) -> list[Message]:
    run.error = error.stored()
    step.fail(error.stored(), now=now, unknown=False)
    step.save()
    return [events.message(events.StepFailed(error=events.PublicError.of(error)), step=step.name)]


def _make_parts(run: Run, step: Step, planned: PlannedStep, items: list[Any], *, now: datetime) -> None:
    """New rows for new items; a part of an earlier round keeps its place, and its result unless it was reset."""
    known = {int(part.index or 0): part for part in step.parts.only("parent", "index", "item")}
    changed = []
    for index, part in known.items():
        # As text: 1, 1.0 and True are equal in Python, and other items.
        if index < len(items) and json.dumps(part.item) != json.dumps(items[index]):
            part.item = items[index]
            changed.append(part)
    Step.objects.bulk_update(changed, ["item"], batch_size=500)
    if len(known) > len(items):  # there are fewer items this time
        Step.objects.cancel_parts(step, now=now, from_index=len(items))
    Step.objects.bulk_create(
        [_part(step, planned, index, item) for index, item in enumerate(items) if index not in known],
        batch_size=500,
    )


def _part(step: Step, planned: PlannedStep, index: int, item: Any) -> Step:
    return Step(
        **{name: getattr(step, name) for name in COPIED if name != "kind"},
        kind=StepKind.STEP,
        parent=step,
        index=index,
        item=item,
        name=f"{step.name}[{index}]",
        timeout_seconds=planned.timeout,
        idle_timeout_seconds=planned.idle_timeout,
        max_attempts=planned.attempts,
        max_undo_attempts=step.max_undo_attempts,
    )


def join(run: Run, steps: Sequence[Step], *, now: datetime) -> list[Message]:
    """Complete each fan-out whose last part is done."""
    messages: list[Message] = []
    for step in steps:
        if step.kind != StepKind.FAN_OUT or step.state != StepState.RUNNING:
            continue
        if step.parts.filter(state__in=OPEN).exists():
            continue
        parts = step.parts.exclude(state=StepState.CANCELLED).count()
        step.complete({"parts": parts}, now=now)
        step.save()
        assert step.started_at is not None  # expand() set it
        data = events.StepCompleted(
            items_count=0,
            output=blob_of({"parts": parts}),
            duration_seconds=(now - step.started_at).total_seconds(),
        )
        messages.append(events.message(data, step=step.name))
    return messages


def fold(step: Step, *, now: datetime, cancelling: bool) -> list[Message]:
    """Bring a fan-out to rest when its run stops: no message while a part is still held by a worker.

    A part that failed makes it fail; otherwise it is put back, or cancelled with the run.
    """
    Step.objects.put_back_parts(step)
    if step.parts.filter(lease_token__isnull=False).exists():
        return []
    failed = step.parts.filter(state=StepState.FAILED).defer("output", "item").order_by("index").first()
    if failed is not None and not cancelling:
        assert failed.error is not None  # fail() stores it with the state
        step.fail(failed.error, now=now, unknown=False)
        step.save()
        error = events.PublicError.of(ErrorInfo(**failed.error))
        return [events.message(events.StepFailed(error=error), step=step.name)]
    if cancelling:
        Step.objects.cancel_parts(step, now=now)
        step.cancel(now=now)
        step.save()
        return [events.message(events.StepCancelled(reason="The run was cancelled."), step=step.name)]
    step.fold()
    step.save()
    return []
