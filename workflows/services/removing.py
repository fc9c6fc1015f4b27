"""What a run that was closed holds, removed piece by piece: files first, then rows a batch at a time, the run last.

Cut short anywhere, it can be done again. Nobody writes to a closed run any more (`erase_requested_at`).
"""

import logging
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from pydantic import ValidationError

from outbox import forgetting
from outbox.clock import Clock
from outbox.conf import conf as outbox_conf
from outbox.models import Stream
from outbox.retention import prune_stream
from workflows import storage
from workflows.definitions import registry
from workflows.engine.storable import storable
from workflows.errors import UnknownWorkflow
from workflows.models import Attempt, AuditEntry, Item, Run, Step

logger = logging.getLogger(__name__)


def remove_files(run: Run) -> None:
    """What lies in storages, each removable twice. Raises whatever the workflow's own `erase` raises."""
    try:
        workflow = registry.find(run.workflow, version=run.version)
        value = workflow.input.model_validate(run.input)
    except (UnknownWorkflow, ValidationError) as error:  # what only its code knew of cannot be removed
        extra = {"run": str(run.id), "error": type(error).__name__}
        logger.warning("workflow unknown, or its input: its own files may stay", extra=extra)
    else:
        if workflow.erase is not None:
            workflow.erase(run.id, value)
    storage.remove_all(run.id)


def remove_rows(run_id: UUID, *, by: User | None, reason: str, clock: Clock, waits: bool = True) -> None:
    """Remove a run's rows, entries and stream; an audit entry stays that says by whom, None: by a setting.

    A run may have a hundred thousand items: no transaction removes more than `retention_batch_rows` of a table.
    Raises Run.DoesNotExist when a rival has done so; and, unless it `waits`, when one has the run locked.
    """
    _thin(run_id, waits=waits)
    with transaction.atomic(durable=True):
        run = Run.objects.locked(run_id, waits=waits)
        AuditEntry.objects.filter(run=run).update(reason="", run_ref=run.id)
        AuditEntry.objects.create(
            run_ref=run.id,
            actor=by,
            action="erase",
            reason=storable(reason),
            before=run.state,
            after="erased",
            created_at=clock.now(),
        )
        run.delete()
        forgetting.forget_stream(run_id)


def _thin(run_id: UUID, *, waits: bool) -> None:
    """Leave no more of a table than one transaction may remove."""
    parts = Step.objects.filter(run_id=run_id, parent__isnull=False)
    # In this order: an attempt goes with its step, and would be counted with it.
    for rows in (
        Item.objects.filter(run_id=run_id),
        Attempt.objects.filter(step__run_id=run_id, step__parent__isnull=False),
        parts,
    ):
        while _remove_batch(run_id, rows, waits=waits):
            pass
    while _remove_entries(run_id):
        pass


def _remove_batch(
    run_id: UUID, rows: "QuerySet[Item] | QuerySet[Attempt] | QuerySet[Step]", *, waits: bool
) -> bool:
    """Whether there were more than one transaction may remove; a batch of them is gone then."""
    limit = outbox_conf().retention_batch_rows
    with transaction.atomic(durable=True):
        Run.objects.locked(run_id, waits=waits)
        pks: list[Any] = list(rows.order_by("pk").values_list("pk", flat=True)[: limit + 1])
        if len(pks) <= limit:
            return False
        rows.model._default_manager.filter(pk__in=pks[:limit]).delete()
        return True


def _remove_entries(run_id: UUID) -> bool:
    stream = Stream.objects.filter(key=run_id).first()
    if stream is None or stream.head - stream.pruned <= outbox_conf().retention_batch_rows:
        return False
    return prune_stream(run_id, upto=stream.head) > 0
