"""What the admin reads: which columns, how many rows, in how many queries, whatever the size of the tables."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.db.models import Exists, Model, OuterRef, Prefetch, Q, QuerySet
from django.shortcuts import get_object_or_404
from django.utils import timezone

from outbox.models import Entry, Stream
from workflows.admin.conf import conf
from workflows.admin.payloads import JSONSize
from workflows.models import Attempt, AuditEntry, Item, Run, Step
from workflows.models.parts import count_parts
from workflows.models.querysets import RunQuerySet
from workflows.principals import Principal
from workflows.rights import may_see_payloads
from workflows.selectors import consistent_read, runs_visible_to
from workflows.states import RUN_TERMINAL, RunState, StepState
from workflows.usage import usage_of

Row = TypeVar("Row", bound=Model)
# Named one by one, since an index knows what a state is and not what it is not.
LIVE = sorted(set(RunState) - RUN_TERMINAL)


def runs_with_steps(reader: Principal) -> RunQuerySet:
    """Runs for the list, each with its steps in order of position."""
    steps = Step.objects.filter(parent__isnull=True).order_by("position").defer("output", "item")
    return _runs(reader).defer("input", "plan", "labels").prefetch_related(Prefetch("steps", queryset=steps))


def runs_to_act_on(reader: Principal, run_ids: Iterable[UUID]) -> RunQuerySet:
    """Runs for a confirmation, newest first: with their plans, and their steps with `payload_size`."""
    planned = Step.objects.filter(parent__isnull=True).order_by("position").defer("output", "item")
    steps = planned.annotate(payload_size=JSONSize("output"))
    chosen = _runs(reader).filter(pk__in=list(run_ids)).order_by("-created_at", "-id")
    return chosen.defer("input").prefetch_related(Prefetch("steps", queryset=steps))


def _runs(reader: Principal) -> RunQuerySet:
    return runs_visible_to(reader).select_related("owner")


def stuck(runs: QuerySet[Run], *, now: datetime) -> QuerySet[Run]:
    """Live runs that nothing moves: an alarm overdue for a minute (a setting), or none set at all."""
    alarms = Step.objects.filter(run=OuterRef("pk"), due_at__isnull=False)
    overdue = Step.objects.filter(due_at__lt=overdue_before(now)).values("run_id")
    return runs.filter(state__in=LIVE).filter(Q(pk__in=overdue) | ~Exists(alarms))


def overdue_before(now: datetime) -> datetime:
    return now - timedelta(seconds=conf().admin_stuck_seconds)


def search(runs: QuerySet[Run], term: str) -> QuerySet[Run]:
    """By id, by the reference that a run's page shows (the id's last digits), by title or owner."""
    try:
        return runs.filter(pk=UUID(term))
    except ValueError:
        pass
    matches = Q(title__icontains=term) | Q(owner__username__icontains=term)
    if 8 <= len(term) <= 32 and set(term.lower()) <= set("0123456789abcdef"):
        matches |= Q(pk__endswith=term.lower())
    return runs.filter(matches)


@dataclass(frozen=True, kw_only=True)
class Page(Generic[Row]):
    """Rows, latest first. older: the `seq` to go on before, None at the end; is_latest: nothing was left out above."""

    rows: list[Row]
    older: int | None
    is_latest: bool


@dataclass(frozen=True, kw_only=True)
class Position:
    """Where the reader of a run's page is: cursors of the two logs, None for the latest rows."""

    items_before: int | None = None
    events_before: int | None = None


@dataclass(frozen=True, kw_only=True)
class RunRead:
    """One run at one moment. Run, steps, items and events carry `payload_size`: bytes, None where there is none."""

    run: Run
    steps: list[Step]
    failed_parts: list[Step]  # of fan-outs
    children: list[Run]
    attempts: list[Attempt]  # latest first, no more than fit a page
    usage: dict[str, Any]  # of all attempts, as `selectors.usage_of` sums it up
    items: Page[Item]
    events: Page[Entry]
    audit: list[AuditEntry]
    stream: Stream
    now: datetime


def read_run(reader: Principal, run_id: UUID, *, at: Position) -> RunRead:
    """Everything of a run's page in a fixed number of queries. Raises Http404."""
    visible = _runs(reader).defer("input", "plan")
    with consistent_read():
        run = get_object_or_404(visible.annotate(payload_size=JSONSize("input")), pk=run_id)
        items = _items(run_id, with_keys=may_see_payloads(reader, run))
        return RunRead(
            run=run,
            steps=_steps(run_id),
            failed_parts=_failed_parts(run_id),
            children=list(
                _runs(reader).filter(parent_id=run_id).defer("input", "plan").order_by("-created_at")
            ),
            attempts=list(_attempts(run_id)[: conf().admin_attempts_max]),
            usage=usage_of([run_id])[run_id],
            items=_page(items, before=at.items_before, limit=conf().admin_items_page_size),
            events=_page(_events(run_id), before=at.events_before, limit=conf().admin_events_page_size),
            audit=list(_audit(run_id)[: conf().admin_attempts_max]),
            stream=Stream.objects.get(key=run_id),
            now=timezone.now(),
        )


def _steps(run_id: UUID) -> list[Step]:
    rows = Step.objects.filter(run_id=run_id, parent__isnull=True).order_by("position")
    steps = list(rows.defer("output", "item").annotate(payload_size=JSONSize("output")))
    count_parts(steps)
    return steps


def _failed_parts(run_id: UUID) -> list[Step]:
    rows = Step.objects.filter(run_id=run_id, parent__isnull=False, state=StepState.FAILED)
    return list(rows.defer("output", "item").order_by("position", "index")[: conf().admin_attempts_max])


def _attempts(run_id: UUID) -> QuerySet[Attempt]:
    rows = Attempt.objects.filter(step__run_id=run_id).select_related("step")
    return rows.defer("step__output", "step__item").order_by("-started_at", "-id")


def _items(run_id: UUID, *, with_keys: bool) -> QuerySet[Item]:
    """A key is a piece of the data: it is read for those who may see the data."""
    hidden = ["data"] if with_keys else ["data", "key"]
    return Item.objects.filter(run_id=run_id).defer(*hidden).annotate(payload_size=JSONSize("data"))


def _events(run_id: UUID) -> QuerySet[Entry]:
    return Entry.objects.filter(stream_id=run_id).defer("payload").annotate(payload_size=JSONSize("payload"))


def _audit(run_id: UUID) -> QuerySet[AuditEntry]:
    return AuditEntry.objects.filter(run_id=run_id).select_related("actor")


def _page(rows: QuerySet[Any], *, before: int | None, limit: int) -> Page[Any]:
    """By the `seq` of the row before, not by a page number: what arrives meanwhile moves nothing."""
    if before is not None:
        rows = rows.filter(seq__lt=before)
    found = list(rows.order_by("-seq")[: limit + 1])
    shown = found[:limit]
    return Page(rows=shown, older=shown[-1].seq if len(found) > limit else None, is_latest=before is None)
