"""Runs that ended long ago are removed with all they hold. Opt-in: `run_retention_days`.

It goes the way of an erasure, but for the copies in Redis: those expire by themselves long before. Left alone are runs
whose undo failed, since somebody has to decide about what they left behind; those with a child that still lives;
those of which an event was not published yet; and those of which a webhook is still to be told.
"""

import logging
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from outbox.clock import Clock
from outbox.connections import PASSING
from outbox.models import Delivery, DeliveryState, Stream
from outbox.pacing import Pace
from workflows.conf import conf
from workflows.models import Run
from workflows.services.removing import remove_files, remove_rows
from workflows.states import RUN_TERMINAL, RunState

logger = logging.getLogger(__name__)

REMOVED: Final = sorted(RUN_TERMINAL - {RunState.COMPENSATION_FAILED})

REASON = "ended more than {:g} days ago"

# (created_at, id) of a run, in the order of the index on the newest runs.
Place = tuple[datetime, UUID]


def retain_runs(*, clock: Clock) -> int:
    """Remove runs that ended more than `run_retention_days` ago, the oldest first, for a while; returns how many went.

    Any number of processes may do so at once. A run that cannot be removed now is passed over; the next call tries it.
    """
    if not conf().run_retention_days:
        return 0
    before = clock.now() - timedelta(days=conf().run_retention_days)
    pace, after, removed = Pace(), None, 0
    for _ in pace.turns():
        closed = _close(before, after, now=clock.now())
        if not closed:
            break
        for run in closed:  # one that is closed, and not reached, is found again by the next call
            if not pace.is_over:
                removed += _remove(run, clock=clock)
        after = (closed[-1].created_at, closed[-1].id)
    return removed


def _close(before: datetime, after: Place | None, *, now: datetime) -> list[Run]:
    """Close the next runs that may go to every verb, in one transaction. Which somebody acts on now are passed over."""
    with transaction.atomic(durable=True):
        runs = _ended(before, after).select_for_update(no_key=True, skip_locked=True, of=("self",))
        closed = list(runs[: conf().run_retention_batch])
        fresh = [run.pk for run in closed if run.erase_requested_at is None]
        Run.objects.filter(pk__in=fresh).update(erase_requested_at=now)
    return closed


def _ended(before: datetime, after: Place | None) -> "QuerySet[Run]":
    live_children = Run.objects.filter(parent=OuterRef("pk")).exclude(state__in=sorted(RUN_TERMINAL))
    unpublished = Stream.objects.filter(key=OuterRef("pk"), dirty=True)
    owed = Delivery.objects.filter(stream=OuterRef("pk"), state=DeliveryState.PENDING)
    # What ended before then began before then: the lists' index leads past all newer runs.
    runs = Run.objects.filter(state__in=REMOVED, finished_at__lte=before, created_at__lte=before)
    if after is not None:
        created_at, run_id = after
        later = Q(created_at__gt=created_at) | Q(created_at=created_at, id__gt=run_id)
        runs = runs.filter(later, created_at__gte=created_at)
    for reason_to_stay in (live_children, unpublished, owed):
        runs = runs.exclude(Exists(reason_to_stay))
    return runs.order_by("created_at", "id")


def _remove(run: Run, *, clock: Clock) -> bool:
    """False when it was not removed: a rival has done so or is at it, or its files cannot go now."""
    try:
        remove_files(run)
        reason = REASON.format(conf().run_retention_days)
        remove_rows(run.id, by=None, reason=reason, clock=clock, waits=False)
    except Run.DoesNotExist:
        return False
    except PASSING:
        raise
    except Exception as error:  # a workflow's own code; the others must not wait for it
        logger.exception("run not removed", extra={"run": str(run.id), "error": type(error).__name__})
        return False
    logger.info("run removed: it ended long ago", extra={"run": str(run.id)})
    return True
