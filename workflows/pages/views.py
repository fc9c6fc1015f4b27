"""The progress page: true before any script runs, then kept true by `<run-progress>`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.template.loader import select_template
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from pydantic import BaseModel

from outbox import wire
from outbox.models import Audience
from workflows import selectors
from workflows.definitions import find
from workflows.errors import UnknownWorkflow
from workflows.pages.activity import said_so_far
from workflows.pages.answers import AnswerForm
from workflows.pages.cards import label, plural
from workflows.pages.conf import conf
from workflows.pages.deeds import Deeds, deeds_of
from workflows.pages.painting import Painter, rows
from workflows.pages.words import words
from workflows.principals import Principal, signed_in
from workflows.rights import may_see_items, may_see_result

Snapshot = Mapping[str, Any]


@require_safe
@never_cache
@login_required
def run_page(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """The page of one run. A run that the user may not see is absent: 404."""
    return show(request, run_id)


def show(
    request: HttpRequest,
    run_id: UUID,
    *,
    principal: Principal | None = None,
    given: AnswerForm | None = None,
    refusal: str = "",
    status: int = 200,
) -> HttpResponse:
    """The page as it stands now. principal: who looks; None: by their session. given, refusal: of `deeds_of`.

    Raises Http404.
    """
    limit, principal = conf().page_items_max, principal or signed_in(request)
    with selectors.consistent_read():
        run = get_object_or_404(selectors.runs_visible_to(principal), pk=run_id)
        steps = selectors.steps_of(run)
        snapshot = selectors.snapshot(run, viewer=principal, steps=steps)
        deeds = deeds_of(principal, run, steps, given=given, refusal=refusal)
        is_withheld = not may_see_items(principal, run)
        items = [] if is_withheld else selectors.page_items(run, limit=limit + 1)
        said = said_so_far(run_id, Audience.PUBLIC if principal.user is None else Audience.MEMBER)
    context = page_context(
        snapshot,
        items[:limit],
        said,
        is_cut=len(items) > limit,
        is_withheld=is_withheld,
        shows_usage=principal.user is not None,
        is_result_withheld=not may_see_result(principal, run),
        is_shared=principal.user is None,
        now=timezone.now(),
        deeds=deeds,
    )
    return render(request, "runs/detail.html", context, status=status)


def page_context(
    run: Snapshot,
    items: Sequence[Mapping[str, Any]],
    said: Mapping[str, Any],
    *,
    is_cut: bool,
    is_withheld: bool = False,
    shows_usage: bool = False,
    is_result_withheld: bool = False,
    is_shared: bool = False,
    now: datetime,
    deeds: Deeds | None = None,
) -> dict[str, Any]:
    """Everything that `runs/detail.html` shows. items: as of `selectors.page_items`; said: of `said_so_far`.

    is_withheld, is_result_withheld: what its steps found, what came of it in the end, is not for this reader.
    shows_usage: what it took of models, and cost, is. is_shared: they came by a share link.
    """
    run = run if shows_usage else without_usage(run)
    models = item_models(run)
    noun = nouns(models)
    painter = Painter(words=words(is_shared=is_shared), now=now, noun=noun, labels=field_labels(models))
    blank = {"step": "", "index": "", "key": "", "value": {}}
    return {
        **said,
        "run": run,
        "headline": painter.headline(run),
        "detail": painter.detail(run),
        "percent": painter.percent(run),
        "position": painter.position(run),
        "failure": painter.failure(run),
        "kept": painter.kept(run),
        "gone": painter.gone(run),
        "deeds": deeds or Deeds(),
        "empty": painter.empty(run),
        "as_of": wire.timestamp(now)[11:19],
        "reference": str(run["id"])[-8:],
        "steps": rows(painter, run),
        "cards": [painter.card(item) for item in in_order(run, items)],
        "blank": painter.card(blank),
        "is_cut": is_cut,
        "is_withheld": is_withheld,
        "shows_usage": shows_usage,
        "used": painter.used(run),
        "is_result_withheld": is_result_withheld,
        "is_shared": is_shared,
        "has_items": bool(models or items) and not is_withheld,
        "items_title": label(noun[1], {}),
        "items_count": sum(step["items_count"] for step in run["steps"]),
        "item_template": chosen("runs/item", run),
        "result_template": chosen("runs/result", run),
        "page_data": {
            "words": painter.words,
            "noun": noun,
            "labels": painter.labels,
            "now": wire.timestamp(now),
        },
    }


def without_usage(run: Snapshot) -> Snapshot:
    """For readers whose business it is not: the browser gets the whole snapshot, so it must not be in there."""
    return {**run, "usage": None, "steps": [{**step, "usage": None} for step in run["steps"]]}


def in_order(run: Snapshot, items: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Items by their step in the plan, then by part (`score[3]`), then by index."""
    positions = {step["name"]: step["position"] for step in run["steps"]}

    def place(item: Mapping[str, Any]) -> tuple[int, int, int]:
        name, _, part = item["step"].partition("[")
        return positions.get(name, -1), int(part[:-1] or -1), item["index"]

    return sorted(items, key=place)


def chosen(template: str, run: Snapshot) -> str:
    """The workflow's own template if there is one, else the general one."""
    found: Any = select_template([f"{template}_{run['workflow']}.html", f"{template}.html"])
    return str(found.template.name)


def item_models(run: Snapshot) -> list[type[BaseModel]]:
    """The models of what the run's steps yield, each once; none when this process lacks the definition."""
    try:
        steps = find(run["workflow"], version=run["version"]).steps
    except UnknownWorkflow:
        return []
    return list(dict.fromkeys(step.items for step in steps if step.items is not None))


def nouns(models: Sequence[type[BaseModel]]) -> tuple[str, str]:
    """Singular and plural of an item: of class Finding "finding" and "findings"; of several classes "result"."""
    noun = models[0].__name__.lower() if len(models) == 1 else "result"
    return noun, plural(noun)


def field_labels(models: Sequence[type[BaseModel]]) -> dict[str, str]:
    """The name of each field as a person reads it, in the models' order. What two of them have, the first one names."""
    labels: dict[str, str] = {}
    for model in models:
        for name, field in model.model_fields.items():
            labels.setdefault(name, field.title or label(name, {}))
    return labels
