"""Everything that API, pages and admin read of runs; prefetching is decided here."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q
from django.urls import reverse

from outbox import wire
from outbox.models import Stream
from workflows.definitions import find
from workflows.errors import UnknownWorkflow
from workflows.models import Item, Run, Step
from workflows.models.parts import count_parts
from workflows.models.querysets import RunQuerySet
from workflows.principals import Link as ShareLink
from workflows.principals import Principal
from workflows.results import last_step
from workflows.rights import actions_for
from workflows.services.outputs import read_output, read_parts
from workflows.states import RUN_TERMINAL, STEP_DONE, STEP_TERMINAL, RunState, StepKind, StepState
from workflows.usage import total, usage_of, usage_of_steps

Link = Callable[[str], str]
Viewer = Principal | None

WAITING_FOR_WORKER = "Waiting for a worker"


def runs_visible_to(principal: Principal) -> RunQuerySet:
    """The one door to runs: staff see all, an owner their own, a share link its own, anyone else none. A foreign run
    is an absent one. What a principal may do with a run that they see, `workflows.rights` says.
    """
    is_link = isinstance(principal.way, ShareLink)
    runs = Run.objects.all() if is_link else Run.objects.visible_to(principal.user)
    if principal.run_id is not None:
        return runs.filter(pk=principal.run_id)
    return runs.none() if is_link else runs


@contextmanager
def consistent_read() -> Iterator[None]:
    """All reads inside see one moment of the database, without taking its write lock."""
    if connection.in_atomic_block:
        yield
    elif connection.vendor == "sqlite":
        # atomic() would begin IMMEDIATE and wait for the one writer.
        with connection.cursor() as cursor:
            cursor.execute("BEGIN DEFERRED")
            try:
                yield
            finally:
                cursor.execute("ROLLBACK")
    else:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield


def snapshot(
    run: Run, *, link: Link = str, viewer: Viewer = None, steps: list[Step] | None = None
) -> dict[str, Any]:
    """A run as clients see it, with the `seq` that a stream goes on from.

    link: makes an absolute address of a path. viewer: whose `allowed_actions` are meant; None: whoever's. steps: what
    `steps_of` gave, if it was asked already. Read the run itself inside the same `consistent_read()`.
    """
    stream = Stream.objects.get(key=run.id)
    steps = steps_of(run) if steps is None else steps
    used = usage_of_steps(run.id)
    usage = total(list(used.values()))
    body = {
        **_row(run, steps, stream, usage, link=link, viewer=viewer),
        "steps": [step_snapshot(step, usage=used.get(step.id)) for step in steps],
    }
    return body if viewer is None or viewer.user is not None else _for_guests(body)


def _for_guests(body: dict[str, Any]) -> dict[str, Any]:
    """A snapshot without what is the business of the run's owner: what it cost, how they sort their runs."""
    steps = [{**step, "usage": None} for step in body["steps"]]
    return {**body, "labels": {}, "parent_run": None, "usage": None, "steps": steps}


def steps_of(run: Run) -> list[Step]:
    """The steps of the run's plan in order; a fan-out's progress is counted from its parts."""
    steps = list(run.steps.filter(parent__isnull=True).defer("output", "item").order_by("position"))
    count_parts(steps)
    return steps


def parts_of(run: Run, parent: str, *, after: int, limit: int) -> list[Step]:
    """Parts of the fan-out `parent` with an index above `after`, in order; empty for any other step."""
    parts = run.steps.filter(parent__name=parent, index__gt=after).defer("output", "item")
    return list(parts.order_by("index")[:limit])


def attempts(step: Step, *, for_operator: bool) -> list[dict[str, Any]]:
    """Every try at a step, in order: `{kind, number, state, error, usage, started_at, finished_at, …}`."""
    return [
        {
            "kind": attempt.kind,
            "number": attempt.number,
            "state": attempt.state,
            "error": attempt.error if for_operator else _public(attempt.error),
            "usage": attempt.usage,
            "started_at": moment(attempt.started_at),
            "finished_at": moment(attempt.finished_at),
            "duration_seconds": attempt.duration_seconds,
            **({"worker": attempt.worker} if for_operator else {}),
        }
        for attempt in step.attempts.order_by("started_at", "id")
    ]


def run_rows(runs: Sequence[Run], *, link: Link = str, viewer: Viewer = None) -> list[dict[str, Any]]:
    """Rows of a list: snapshots without `steps`, in a fixed number of queries."""
    ids = [run.id for run in runs]
    streams = {stream.key: stream for stream in Stream.objects.filter(key__in=ids)}
    steps: dict[UUID, list[Step]] = {run_id: [] for run_id in ids}
    planned = Step.objects.filter(run_id__in=ids, parent__isnull=True)
    for step in planned.order_by("position").defer("output", "item"):
        steps[step.run_id].append(step)
    usages = usage_of(ids)
    return [
        _row(run, steps[run.id], streams[run.id], usages[run.id], link=link, viewer=viewer) for run in runs
    ]


def _row(
    run: Run, steps: list[Step], stream: Stream, usage: dict[str, Any], *, link: Link, viewer: Viewer
) -> dict[str, Any]:
    current = [step for step in steps if step.state not in {StepState.PENDING, *STEP_TERMINAL}]
    return {
        "id": str(run.id),
        "workflow": run.workflow,
        "version": run.version,
        "title": run.title,
        "state": run.state,
        "state_info": run_sentence(run, current),
        "is_terminal": run.is_terminal,
        "allowed_actions": actions_for(viewer, run, steps),
        "epoch": stream.epoch,
        "seq": stream.head,
        "progress": {
            "done": sum(step.state in STEP_DONE for step in steps),
            "total": len(steps),
            "unit": "steps",
        },
        "current_steps": [step.name for step in current],
        "error": _public(run.error),
        "parent_run": str(run.parent_id) if run.parent_id else None,
        "labels": run.labels,
        "usage": usage,
        "created_at": moment(run.created_at),
        "started_at": moment(run.started_at),
        "finished_at": moment(run.finished_at),
        "links": _links(run, link, viewer),
    }


def step_snapshot(step: Step, *, usage: dict[str, Any] | None = None) -> dict[str, Any]:
    """A step as the snapshot shows it. usage: of `usage_of_steps`; None when it asked no model."""
    return {
        "name": step.name,
        "title": step.title,
        "kind": step.kind,
        "position": step.position,
        "stage": step.stage,
        "branch": step.branch,
        "state": step.state,
        "state_info": sentence(step.state_info),
        "attempt": step.attempt_count,
        "max_attempts": step.max_attempts,
        "progress": step.progress,
        "items_count": step.current_items,
        "due_at": moment(step.due_at),
        "started_at": moment(step.started_at),
        "finished_at": moment(step.finished_at),
        "error": _public(step.error),
        "usage": usage,
    }


def run_sentence(run: Run, current: Sequence[Step]) -> str:
    """What the run is doing, in words: its own sentence, its error, or what its current step says."""
    if run.state_info:
        return sentence(run.state_info)
    if run.state in (RunState.FAILED, RunState.COMPENSATION_FAILED) and run.error:
        return str(run.error["detail"])
    if not current:
        return ""
    waiting = next((step for step in current if step.state == StepState.WAITING), None)
    if waiting is not None and run.state == RunState.WAITING:
        return waiting.title
    if any(step.is_held for step in current):
        step = next(step for step in current if step.is_held)
        return sentence(step.state_info) or step.title
    return WAITING_FOR_WORKER


def sentence(info: dict[str, Any] | None) -> str:
    """A stored `{template, params}` as text. A template that does not fit its parameters is shown as it is."""
    if not info:
        return ""
    try:
        return str(info["template"]).format(**info["params"])
    except (KeyError, IndexError, ValueError):
        return str(info["template"])


def page_items(
    run: Run, *, after: int = 0, limit: int, step: str | None = None, with_gone: bool = False
) -> list[dict[str, Any]]:
    """Current items in order of their event: `{seq, index, key, type, step, attempt, value}`, seq above `after`.

    with_gone: also those that a later attempt replaced or retracted; each then has `replaced_by_attempt` and
    `retracted_by_attempt`, of which at most one is not None.
    """
    rows = Item.objects.all() if with_gone else Item.objects.current()
    rows = rows.filter(run=run, seq__gt=after).select_related("step").order_by("seq")
    if step is not None:
        rows = rows.filter(step__name=step)
    return [
        {
            "seq": row.seq,
            "index": row.index,
            "key": row.key,
            "type": row.type,
            "step": row.step.name,
            "attempt": row.attempt,
            "value": row.data,
            **(_fate(row) if with_gone else {}),
        }
        for row in rows[:limit]
    ]


def _fate(item: Item) -> dict[str, int | None]:
    return {
        "replaced_by_attempt": item.replaced_by_attempt,
        "retracted_by_attempt": item.retracted_by_attempt,
    }


def result(run: Run) -> Any:
    """The output of the run's last step; of a fan-out, those of its parts, in order. Raises StoredValueLost."""
    last = last_step(run)
    if last.kind != StepKind.FAN_OUT:
        return read_output(last.id)
    return read_parts(last)


def moment(value: datetime | None) -> str | None:
    return None if value is None else wire.timestamp(value)


def _public(error: dict[str, Any] | None) -> dict[str, Any] | None:
    """An error without what only operators may see."""
    return None if error is None else {name: error[name] for name in ("code", "detail", "retryable")}


def address_of(run_id: UUID, *, viewer: Viewer, part: str = "") -> str:
    """The address of a run's snapshot, or of a part of it such as "-events"; a share link has its own."""
    if viewer is not None and isinstance(viewer.way, ShareLink):
        return reverse(f"shared{part}", args=[viewer.way.secret])
    return reverse(f"run{part}", args=[run_id])


def _links(run: Run, link: Link, viewer: Viewer) -> dict[str, str]:
    parts = {"self": "", "events": "-events", "items": "-items", "result": "-result", "page": "-page"}
    return {key: link(address_of(run.id, viewer=viewer, part=part)) for key, part in parts.items()}


def stranded_by_code() -> dict[tuple[str, int, str], int]:
    """What live runs still need and this code lacks: (workflow, version, step) → how many runs; step "": all of it."""
    live = Run.objects.exclude(state__in=sorted(RUN_TERMINAL))
    missing: dict[tuple[str, int, str], int] = {}
    for workflow, version in live.order_by().values_list("workflow", "version").distinct():
        runs = live.filter(workflow=workflow, version=version)
        try:
            known = {node.name for node in find(workflow, version=version).nodes}
        except UnknownWorkflow:
            missing[workflow, version, ""] = runs.count()
            continue
        needed = Step.objects.filter(run__in=runs, parent__isnull=True).filter(
            ~Q(state__in=sorted(STEP_TERMINAL)) | Q(has_undo=True)
        )
        for name in needed.order_by().values_list("name", flat=True).distinct():
            if name not in known:
                missing[workflow, version, name] = needed.filter(name=name).count()
    return missing
