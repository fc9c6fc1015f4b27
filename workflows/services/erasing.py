"""Remove a run with all that it holds: what is left says that it was there, and who erased it."""

import logging
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction
from redis import RedisError

from outbox import forgetting
from outbox.clock import CLOCK, Clock
from workflows.errors import Unavailable
from workflows.models import Run, Step
from workflows.services.acting import allow, refuse_long_reason
from workflows.services.keys import Request, find_answer, keep_answer
from workflows.services.removing import remove_files, remove_rows

logger = logging.getLogger(__name__)


def erase(
    run_id: UUID, *, by: User, reason: str = "", request: Request | None = None, clock: Clock = CLOCK
) -> None:
    """Erase a run that has ended: upload, items, outputs, events, run stream and rows. An audit entry stays, without
    content.

    In two parts, since files and Redis know no transaction: the run is closed to every other verb first, then all is
    removed, the rows last. Cut short anywhere, it can be called again. request: the caller's idempotency key, which
    is forgotten with the run. Raises InvalidTransition while the run is at work, Run.DoesNotExist, KeyReused,
    Unavailable while Redis is away, and whatever the workflow's own `erase` raises.
    """
    refuse_long_reason(reason)
    with transaction.atomic(durable=True):
        run = Run.objects.locked(run_id)
        if find_answer(request, now=clock.now()) is None:
            keep_answer(request, run, now=clock.now())
        allow(run, Step.objects.locked(run_id), "erase")
        run.erase_requested_at = run.erase_requested_at or clock.now()
        run.save(update_fields=["erase_requested_at"])
    remove_files(run)
    _forget_published(run_id)
    remove_rows(run_id, by=by, reason=reason, clock=clock)
    # Both once more: a consumer or a relay that had read entries before they went may have handed them on since.
    try:
        forgetting.forget_published(run_id)
    except (
        RedisError
    ) as error:  # nobody can ask again: what was published just then goes with its stream's age
        extra = {"run": str(run_id), "error": type(error).__name__}
        logger.warning("copies of events may stay in Redis for a while", extra=extra)
    forgetting.forget_deliveries(run_id)
    logger.info("run erased", extra={"run": str(run_id)})


def _forget_published(run_id: UUID) -> None:
    try:
        forgetting.forget_published(run_id)
    except RedisError as error:
        detail = "Redis is away: the run is closed to every other verb; erase it again in a while"
        raise Unavailable(detail) from error
