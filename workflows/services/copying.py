"""What a new run takes over from its parent: outputs, items and parts of steps that it need not do again."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from outbox.append import Message
from workflows import events, storage
from workflows.models import Item, Run, Step
from workflows.states import StepState

SAME = ("kind", "index", "item", "title", "queue", "timeout_seconds", "idle_timeout_seconds", "max_attempts")


@dataclass
class Taken:
    """One step of the parent, and the copies of its items and parts."""

    step: Step
    file: dict[str, Any] | None
    items: list[Item] = field(default_factory=list)
    parts: "list[Taken]" = field(default_factory=list)


@dataclass
class Reused:
    """run_id: the id that the new run will have; files were copied to its folder already."""

    run_id: UUID
    steps: dict[str, Taken]


def gather(parent: Run, names: Sequence[str], *, run_id: UUID) -> Reused:
    """Read what the steps `names` of `parent` have, and copy their files for run `run_id`. Raises StoredValueLost."""
    steps = parent.steps.filter(name__in=names, parent__isnull=True)
    return Reused(run_id=run_id, steps={step.name: _take(step, run_id) for step in steps})


def _take(step: Step, run_id: UUID) -> Taken:
    """A part has neither items nor parts of its own."""
    return Taken(
        step=step,
        file=_copy_file(step, run_id),
        items=list(step.items.current().order_by("index")),
        parts=[Taken(step=part, file=_copy_file(part, run_id)) for part in step.parts.order_by("index")],
    )


def _copy_file(step: Step, run_id: UUID) -> dict[str, Any] | None:
    """A file of its own: the parent may be erased while the child lives."""
    if step.output_file is None:
        return None
    content = storage.load(step.output_file["name"], sha256=step.output_file["sha256"])
    name = storage.save(f"{storage.folder_of(run_id)}/{step.id}.json", content)
    return {**step.output_file, "name": name}


def take_over(steps: Sequence[Step], reused: Reused, *, now: datetime) -> None:
    """Mark the new run's steps that need not be done, before they are inserted. Their effect is not theirs to undo."""
    for step in steps:
        taken = reused.steps.get(step.name)
        if taken is not None:
            _fill(step, taken, now=now)


def _fill(step: Step, taken: Taken, *, now: datetime) -> None:
    step.take_over(
        taken.step.output, file=taken.file, items_count=len(taken.items), skipped=taken.step.state, now=now
    )


def insert_copies(
    run: Run, steps: Sequence[Step], reused: Reused, *, first_seq: int, now: datetime
) -> list[Message]:
    """Insert copies of items and parts; returns the events of the items, the first of which gets `first_seq`."""
    messages: list[Message] = []
    for step in steps:
        taken = reused.steps.get(step.name)
        if taken is None:
            continue
        Step.objects.bulk_create([_part(run, step, part, now=now) for part in taken.parts], batch_size=500)
        rows = []
        for index, item in enumerate(taken.items):
            data = events.ItemCommitted(index=index, key=item.key, type=item.type, value=item.data)
            rows.append(
                Item(
                    run=run,
                    step=step,
                    attempt=item.attempt,
                    index=index,
                    key=item.key,
                    type=item.type,
                    data=item.data,
                    seq=first_seq + len(messages),
                    created_at=now,
                )
            )
            messages.append(events.message(data, step=step.name, attempt=item.attempt))
        Item.objects.bulk_create(rows, batch_size=500)
    return messages


def _part(run: Run, parent: Step, taken: Taken, *, now: datetime) -> Step:
    part = Step(
        **{name: getattr(taken.step, name) for name in SAME},
        run=run,
        parent=parent,
        name=taken.step.name,
        position=parent.position,
        stage=parent.stage,
        branch=parent.branch,
    )
    if taken.step.state in (StepState.COMPLETED, StepState.SKIPPED):
        _fill(part, taken, now=now)
    else:
        part.cancel(now=now)
    return part
