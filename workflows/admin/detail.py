"""From what was read of a run to what its page shows. Words and addresses; the templates lay them out."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from outbox.models import Entry
from workflows.admin.acting import RETRY, VERBS, offered
from workflows.admin.columns import (
    BROKEN,
    NONE,
    attempts_of,
    badge,
    next_try,
    overdue_seconds,
    step_of_interest,
)
from workflows.admin.payloads import payload_of
from workflows.admin.reading import Page, Position, RunRead
from workflows.admin.timeline import timeline
from workflows.admin.wording import counted, duration
from workflows.engine.budget import shown
from workflows.models import Attempt, Item, Run, Step
from workflows.principals import signed_in
from workflows.rights import may_see_payloads
from workflows.selectors import run_sentence, sentence
from workflows.services import allowed_actions
from workflows.states import STEP_DONE, AttemptState, RunState, StepState

# Why a run that is at rest offers nothing, or one at work.
AT_WORK = "Nothing can be done to it while it is at work."
AT_REST = "There is nothing left to do to it."
LOOK_ONLY = "Your account may look at this run, not act on it."


def position_of(request: HttpRequest) -> Position:
    """Cursors out of the address; what is no number is none."""
    return Position(items_before=_cursor(request, "items"), events_before=_cursor(request, "events"))


def _cursor(request: HttpRequest, name: str) -> int | None:
    value = request.GET.get(f"{name}_before", "")
    return int(value) if value.isascii() and value.isdigit() and len(value) <= 18 else None


def detail_context(read: RunRead, request: HttpRequest) -> dict[str, Any]:
    """Everything that `admin/workflows/run/detail.html` and its live part show."""
    run, steps, now = read.run, read.steps, read.now
    can_view = may_see_payloads(signed_in(request), run)
    step = step_of_interest(run, steps)
    return {
        "title": run.title or str(run.pk),
        "run": run,
        "now": now,
        "state": badge(run.state, str(RunState(run.state).label)),
        "sentence": "" if run.is_terminal else run_sentence(run, [step] if step else []),
        "stuck_for": duration(late) if (late := overdue_seconds(run, steps, now=now)) else "",
        "failure": failure(run, steps),
        "done_steps": [step for step in steps if step.state in STEP_DONE],
        "buttons": buttons(run, steps, request),
        "no_button": no_button(run, steps, request),
        "facts": facts(read, can_view=can_view),
        "timeline": timeline(steps, read.attempts, began=run.created_at, now=now),
        "steps": [step_row(run, step, now, can_view=can_view) for step in steps],
        "failed_parts": read.failed_parts,
        "children": read.children,
        "attempts": [attempt_row(attempt, steps, now) for attempt in read.attempts],
        "items": log_part(read.items, "items", request)
        | {"rows": [item_row(run, item, steps, can_view=can_view) for item in read.items.rows]},
        "items_count": sum(step.current_items for step in steps),
        "can_view_payloads": can_view,
        "events": log_part(read.events, "events", request)
        | {"rows": [event_row(run, entry, can_view=can_view) for entry in read.events.rows]},
        "audit": read.audit,
        "stream": read.stream,
        "unpublished": read.stream.head - read.stream.published,
        "flower_url": getattr(settings, "FLOWER_URL", ""),
    }


def failure(run: Run, steps: list[Step]) -> dict[str, Any] | None:
    """What stopped the run: the step, and its error. None while nothing did."""
    if run.state not in (RunState.FAILED, RunState.COMPENSATION_FAILED):
        return None
    step = next((step for step in steps if step.state in BROKEN), None)
    error = run.error or (step.error if step else None)
    what = "The undo of" if run.state == RunState.COMPENSATION_FAILED else "The step"
    return {"what": what, "step": step, "error": error}


def buttons(run: Run, steps: list[Step], request: HttpRequest) -> list[dict[str, str]]:
    """The verbs that fit and are permitted; what does not fit is not drawn."""
    return [
        {
            "label": _retry_label(steps) if verb is RETRY else f"{verb.label}…",
            "slug": verb.slug,
            "url": reverse("admin:workflows_run_ask", args=[run.pk, verb.slug]),
        }
        for verb in offered(run, steps, request.user)
    ]


def _retry_label(steps: list[Step]) -> str:
    failed = next((step for step in steps if step.state == StepState.FAILED), None)
    return f"Retry from “{failed.title}”…" if failed else "Retry…"


def no_button(run: Run, steps: list[Step], request: HttpRequest) -> str:
    """Why there is no button, when there is none."""
    if offered(run, steps, request.user):
        return ""
    if not any(verb.is_permitted(request.user) for verb in VERBS.values()) or allowed_actions(run, steps):
        return LOOK_ONLY
    return AT_REST if run.is_terminal else AT_WORK


def facts(read: RunRead, *, can_view: bool) -> dict[str, Any]:
    run = read.run
    ended = run.finished_at or (None if run.is_terminal else read.now)
    return {
        "reference": str(run.pk)[-8:],
        "labels": [f"{name}: {value}" for name, value in sorted(run.labels.items())],
        "duration": _between(run.started_at, ended),
        "done": sum(step.state in STEP_DONE for step in read.steps),
        "input": payload_of("input", run, run_id=run.pk, can_view=can_view),
        "usage": read.usage if read.usage["tokens_in"] or read.usage["tokens_out"] else None,
        "cost": money(read.usage["cost"]),
    }


def step_row(run: Run, step: Step, now: datetime, *, can_view: bool) -> dict[str, Any]:
    late = overdue_seconds(run, [step], now=now)
    ended = step.finished_at or (now if step.lease_token else None)
    return {
        "step": step,
        "state": badge(step.state, str(StepState(step.state).label)),
        "said": sentence(step.state_info),
        "attempts": attempts_of(step),
        "progress": counted(step.progress),
        "next_try": next_try(step, now=now),
        "late": duration(late) if late else "",
        "took": _between(step.started_at, ended),
        "awaited": duration((step.due_at - now).total_seconds())
        if step.state == StepState.WAITING and step.due_at
        else "",
        "output": payload_of("output", step, run_id=run.pk, can_view=can_view),
    }


def attempt_row(attempt: Attempt, steps: list[Step], now: datetime) -> dict[str, Any]:
    return {
        "attempt": attempt,
        "step": next((step for step in steps if step.pk == attempt.step_id), attempt.step),  # else a part
        "state": badge(attempt.state, str(AttemptState(attempt.state).label)),
        "took": _between(attempt.started_at, attempt.finished_at or now),
        "usage": attempt.usage,
        "cost": money(attempt.usage.get("cost")),
    }


def money(cost: float | None) -> str:
    """To the millionth: single calls of small models cost less than a hundredth of anything."""
    return "" if cost is None else shown(Decimal(str(cost)), digits=6)


def item_row(run: Run, item: Item, steps: list[Step], *, can_view: bool) -> dict[str, Any]:
    return {
        "item": item,
        "step": next(step for step in steps if step.pk == item.step_id),
        "fate": fate(item),
        "data": payload_of("item", item, run_id=run.pk, can_view=can_view),
    }


def fate(item: Item) -> str:
    """Which attempt ended it; nothing while it is current."""
    if item.replaced_by_attempt is not None:
        return f"replaced by try {item.replaced_by_attempt}"
    if item.retracted_by_attempt is not None:
        return f"retracted by try {item.retracted_by_attempt}"
    return ""


def event_row(run: Run, entry: Entry, *, can_view: bool) -> dict[str, Any]:
    return {
        "entry": entry,
        "clock": f"{timezone.localtime(entry.created_at):%H:%M:%S.%f}"[:-3],
        "step": entry.headers.get("step", ""),
        "attempt": entry.headers.get("attempt", ""),
        "payload": payload_of("event", entry, run_id=run.pk, can_view=can_view),
    }


def log_part(page: Page[Any], name: str, request: HttpRequest) -> dict[str, Any]:
    """The links of a log: to older rows, and back to the latest; the other log stays where it is."""
    query = request.GET.copy()
    query.pop(f"{name}_before", None)
    latest = query.urlencode()
    query[f"{name}_before"] = str(page.older)
    return {
        "older": f"?{query.urlencode()}#{name}" if page.older is not None else "",
        "latest": "" if page.is_latest else f"?{latest}#{name}",
    }


def _between(start: datetime | None, end: datetime | None) -> str:
    return NONE if start is None or end is None else duration((end - start).total_seconds())
