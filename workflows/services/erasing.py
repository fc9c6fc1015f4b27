"""Remove a run with all that it holds: what is left says that it was there, and who erased it."""

import logging
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction

from outbox import forgetting
from outbox.clock import CLOCK, Clock
from workflows import storage
from workflows.definitions import registry
from workflows.engine.storable import storable
from workflows.errors import UnknownWorkflow
from workflows.models import AuditEntry, Run, Step
from workflows.services.acting import allow, refuse_long_reason

logger = logging.getLogger(__name__)


def erase(run_id: UUID, *, by: User, reason: str = "", clock: Clock = CLOCK) -> None:
    """Erase a run that has ended: upload, items, outputs, events, run stream and rows. An audit entry stays, without
    content.

    In two parts, since files and Redis know no transaction: the run is closed to every other verb first, then all is
    removed, the rows last. Cut short anywhere, it can be called again. Raises InvalidTransition while the run is at
    work, Run.DoesNotExist, and whatever the workflow's own `erase` raises.
    """
    refuse_long_reason(reason)
    with transaction.atomic(durable=True):
        run = Run.objects.locked(run_id)
        allow(run, Step.objects.locked(run_id), "erase")
        run.erase_requested_at = run.erase_requested_at or clock.now()
        run.save(update_fields=["erase_requested_at"])
    _erase_outside(run)
    with transaction.atomic(durable=True):
        run = Run.objects.locked(run_id)
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
    # Once more: a relay that had read entries before they went may have published them since.
    forgetting.forget_published(run_id)
    logger.info("run erased", extra={"run": str(run_id)})


def _erase_outside(run: Run) -> None:
    """What lies in storages and in Redis, each removable twice."""
    try:
        workflow = registry.find(run.workflow, version=run.version)
    except UnknownWorkflow:  # its code is gone: what only it knew of cannot be removed
        logger.warning("workflow unknown: its own files may stay", extra={"run": str(run.id)})
    else:
        if workflow.erase is not None:
            workflow.erase(run.id, workflow.input.model_validate(run.input))
    storage.remove_all(run.id)
    forgetting.forget_published(run.id)
