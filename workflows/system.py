"""How the service is doing, for whoever operates it: queues, workers, relay, and what is stuck. Reads only.

Each part is told while another is away: what did not answer is None.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from celery import current_app
from django.db import Error
from django.db.models import Count, Min, Q

from outbox.clock import Clock
from outbox.redis import client
from outbox.report import Report, read_report
from workflows import selectors
from workflows.dispatch import count_messages
from workflows.models import Run, Step
from workflows.services.stranded import find_stranded
from workflows.states import RUN_TERMINAL

logger = logging.getLogger(__name__)

# An alarm rings within a second or two; one that is older was heard by nobody.
LATE: Final = timedelta(seconds=60)
PING_SECONDS: Final = 0.5
LISTED_MAX: Final = 50
COUNT_MAX: Final = 10_000


@dataclass(frozen=True, kw_only=True)
class Stuck:
    """What should have moved on. overdue_steps: with an alarm that is late, counted up to COUNT_MAX.

    stranded: live runs without any alarm. missing: live runs that need code which this process does not have, by
    workflow, version and step ("": all of it).
    """

    overdue_steps: int
    overdue_since: datetime | None
    stranded: Sequence[UUID]
    missing: Mapping[tuple[str, int, str], int]


@dataclass(frozen=True, kw_only=True)
class System:
    """live: runs by state. queues: messages by queue. workers: names of those that answered. holders: steps that each
    process works on.
    """

    live: Mapping[str, int] | None
    queues: Mapping[str, int] | None
    workers: Sequence[str] | None
    holders: Mapping[str, int] | None
    stuck: Stuck | None
    outbox: Report

    def troubles(self) -> list[str]:
        """A sentence for each thing that needs a human; none: all is well."""
        found = self.outbox.troubles()
        if self.queues is None or self.workers is None:
            found.append("the broker does not answer: steps wait, nothing is lost")
        elif not self.workers:
            found.append("no worker answers: steps wait until one is started")
        if self.stuck is not None:
            found += _troubles_of(self.stuck)
        return found


def read_system(*, clock: Clock) -> System:
    """Never raises because a part is away. It takes as long as the workers have to answer, half a second."""
    rows = _rows(clock.now())
    workers = _workers()
    return System(
        **rows,
        queues=None if workers is None else _queues(),
        workers=workers,
        outbox=read_report(client(), clock=clock),
    )


def _rows(now: datetime) -> dict[str, Any]:
    try:
        live = Run.objects.exclude(state__in=sorted(RUN_TERMINAL)).order_by()
        held = Step.objects.filter(lease_token__isnull=False).order_by()
        return {
            "live": dict(live.values_list("state").annotate(Count("pk"))),
            "holders": dict(held.values_list("holder").annotate(Count("pk"))[:LISTED_MAX]),
            "stuck": _stuck(now),
        }
    except Error as error:
        logger.warning("system not read", extra={"error": type(error).__name__})
        return dict.fromkeys(("live", "holders", "stuck"))


def _stuck(now: datetime) -> Stuck:
    overdue = Step.objects.filter(Q(due_at__lt=now - LATE)).order_by()
    return Stuck(
        overdue_steps=overdue[: COUNT_MAX + 1].count(),
        overdue_since=overdue.aggregate(since=Min("due_at"))["since"],
        stranded=[run.pk for run in find_stranded()],
        missing=selectors.stranded_by_code(),
    )


def _workers() -> list[str] | None:
    try:
        replies = current_app.control.ping(timeout=PING_SECONDS)
    except Exception as error:  # of whatever broker
        logger.warning("workers not asked", extra={"error": type(error).__name__})
        return None
    return sorted(name for reply in replies or () for name in reply)


def _queues() -> dict[str, int] | None:
    try:
        return count_messages([queue.name for queue in current_app.conf.task_queues])
    except Exception as error:  # of whatever broker
        logger.warning("queues not counted", extra={"error": type(error).__name__})
        return None


def _troubles_of(stuck: Stuck) -> list[str]:
    found = []
    if stuck.overdue_steps:
        found.append(f"{_capped(stuck.overdue_steps)} steps have a late alarm: do the sweeper and beat run?")
    if stuck.stranded:
        found.append(f"{len(stuck.stranded)} live runs have no alarm: nothing will move them by itself")
    for (workflow, version, step), runs in stuck.missing.items():
        what = f"step {step} of " if step else ""
        found.append(f"{runs} live runs need {what}{workflow} version {version}, which is not installed")
    return found


def _capped(count: int) -> str:
    return f"{COUNT_MAX:,}+" if count > COUNT_MAX else str(count)
