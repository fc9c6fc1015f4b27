"""Outputs of steps: in the row up to a limit, above it in the storage, with size and hash in the row.

A file is written before the transaction that refers to it (no network inside one), under a name of its own attempt:
a fenced attempt overwrites nothing, and removes what it wrote.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from outbox import wire
from workflows import events, storage
from workflows.conf import conf
from workflows.definitions import registry
from workflows.engine.lease import Lease
from workflows.models import Step
from workflows.states import StepState


@dataclass(frozen=True)
class Kept:
    """An output as its row has it: the value itself, or the file that holds it. `blob`: what events say of it."""

    value: Any
    file: dict[str, Any] | None
    blob: events.Blob


def keep(lease: Lease, value: Any) -> Kept:
    """Store `value` outside its row if it is large. Raises what the storage raises: a retry may help."""
    encoded = wire.encode(value)
    blob = _blob(encoded)
    if blob.size <= conf().inline_output_bytes or _feeds_fan_out(lease):
        return Kept(value, None, blob)
    name = storage.save(f"{storage.folder_of(lease.run_id)}/{lease.step_id}-{lease.token}.json", encoded)
    return Kept(None, {"name": name, **blob.model_dump()}, blob)


def _feeds_fan_out(lease: Lease) -> bool:
    """Its elements become rows anyway, inside the transaction that ends it: no storage may be read there."""
    return registry.find(lease.workflow, version=lease.version).feeds_fan_out(lease.handler)


def discard_unused(lease: Lease, kept: Kept) -> None:
    """Remove the file of an attempt that is over, unless its row names it: then its commit was made, unheard."""
    if kept.file is None:
        return
    name = kept.file["name"]
    if not Step.objects.filter(pk=lease.step_id, output_file__name=name).exists():
        storage.remove(name)


def read_output(step_id: UUID) -> Any:
    """The output of a step as JSON value, None while there is none. Raises StoredValueLost."""
    value, file = Step.objects.values_list("output", "output_file").get(pk=step_id)
    return value if file is None else json.loads(storage.load(file["name"], sha256=file["sha256"]))


def blob_of(value: Any) -> events.Blob:
    """Size in bytes and SHA-256 of a value's canonical JSON."""
    return _blob(wire.encode(value))


def _blob(encoded: bytes) -> events.Blob:
    return events.Blob(size=len(encoded), sha256=hashlib.sha256(encoded).hexdigest())


def blob_of_step(step: Step) -> events.Blob:
    """Size and SHA-256 of a step's output, wherever it is kept."""
    values = Step.objects.values_list("output", "output_file")
    loaded = "output" in step.__dict__
    value, file = (step.output, step.output_file) if loaded else values.get(pk=step.pk)
    return blob_of(value) if file is None else events.Blob(size=file["size"], sha256=file["sha256"])


def read_parts(fan_out: Step) -> list[Any]:
    """The outputs of all parts of a fan-out, in the order of its items; of those skipped, the ones that were given one.

    Raises StoredValueLost.
    """
    rows = parts_with_output(fan_out).values_list("pk", "output", "output_file")
    return [value if file is None else read_output(pk) for pk, value, file in rows]


def parts_with_output(fan_out: Step) -> QuerySet[Step]:
    """In the order of its items: their places are the indexes of its result."""
    has_one = Q(state__in=[StepState.COMPLETED, StepState.COMPENSATED])
    done = fan_out.parts.filter(has_one | Q(state=StepState.SKIPPED, output__isnull=False))
    return done.order_by("index")
