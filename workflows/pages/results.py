"""The result of a run as a tree: one level at a time, each at an address of its own, so that no script is needed.

With one, `<result-tree>` puts the level of a node below it when it is opened; it asks for the very same pages.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from workflows import browsing, results, selectors
from workflows.browsing import NoSuchPart
from workflows.conf import conf
from workflows.errors import StoredValueLost
from workflows.models import Run
from workflows.principals import signed_in
from workflows.problem_kinds import KINDS
from workflows.rights import may_see_result

Part = Mapping[str, Any]
CONTAINERS = ("object", "array")
TITLES = ("title", "name", "label", "heading", "text", "id")  # the first that is a text calls an object
LABEL_CHARS = 80
SMALL_BYTES = 1_024  # the size of less is not worth a word


@require_safe
@never_cache
@login_required
def result_page(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Query: pointer (JSON Pointer; none: the root), after (of the link to more). Raises Http404."""
    principal = signed_in(request)
    run = get_object_or_404(selectors.runs_visible_to(principal), pk=run_id)
    pointer = request.GET.get("pointer", "")
    context = {"run": run, "page": reverse("run-page", args=[run.pk]), "crumbs": [], "kind": ""}
    refusal, status = "", 200
    if not may_see_result(principal, run):
        refusal, status = _("The result is its owner's. Others need the permission to see payloads."), 403
    elif (lost := results.missing(run)) is not None:
        refusal, status = lost[1], KINDS[lost[0]].status
    else:
        try:
            context |= level(run, pointer, request.GET.get("after"))
        except NoSuchPart as error:
            refusal, status = results.leads_nowhere(pointer, error), 404
        except StoredValueLost as error:
            refusal, status = error.detail, 410
        except ValueError as error:
            refusal, status = f"{str(error).capitalize()}.", 400
    return render(request, "runs/result_page.html", {**context, "refusal": refusal}, status=status)


def level(run: Run, pointer: str, after: str | None) -> dict[str, Any]:
    """What the page shows of the part at `pointer`. Raises NoSuchPart, StoredValueLost, ValueError."""
    names = browsing.parse(pointer)
    part = results.read_part(run, names, depth=1, limit=conf().page_size, after=after, label=label)
    address = reverse("run-result", args=[run.pk])
    return {
        "kind": part["kind"],
        "crumbs": crumbs(names),
        "note": note(part),
        "nodes": [node(member) for member in part.get("members", ())],
        "value": None if part["kind"] in CONTAINERS else written(part["value"]),
        "is_cut": part.get("is_cut", False),
        "pointer": pointer,
        "is_later": after is not None,
        "first": query(pointer),
        "more": more(part),
        "download": address + query(pointer, whole="1"),
    }


def crumbs(names: Sequence[str]) -> list[dict[str, str]]:
    """The way to a part, the root first: each with its name and its query."""
    way = [{"name": _("Result"), "query": query("")}]
    pointer = ""
    for name in names:
        pointer = browsing.child(pointer, name)
        way.append({"name": named(name), "query": query(pointer)})
    return way


def node(member: Part) -> dict[str, Any]:
    """A member as a line of the tree; one with members of its own, or with more text, has a `query`."""
    is_container = member["kind"] in CONTAINERS
    has_more = bool(member["count"] != 0) if is_container else member.get("is_cut", False)
    return {
        "key": named(member["key"]),
        "kind": member["kind"],
        "opens": is_container and has_more,
        "label": member.get("label", ""),
        "note": note(member) if is_container else "",
        "value": None if is_container else written(member["value"]),
        "query": query(member["pointer"]) if has_more else "",
        "size": filesizeformat(member["size"]) if member.get("is_cut") else "",
    }


def label(value: Any) -> str:
    """What a closed node is called beside its key: its title, or its entries if they are few and short."""
    said = ""
    if isinstance(value, dict):
        texts = (value.get(name) for name in TITLES)
        said = next((text for text in texts if isinstance(text, str) and text), "")
    elif value and not any(isinstance(entry, dict | list) for entry in value):
        said = ", ".join(written(entry) for entry in value)
    return said if len(said) <= LABEL_CHARS else f"{said[:LABEL_CHARS]}…"


def note(part: Part) -> str:
    """How much is in it: `12 entries · 3.4 MB`."""
    if part["kind"] not in CONTAINERS:
        return filesizeformat(part["size"]) if part.get("is_cut") else ""
    said = [] if part["count"] is None else [counted(part["kind"], part["count"])]
    if part["size"] is not None and part["size"] >= SMALL_BYTES:
        said.append(filesizeformat(part["size"]))
    return " · ".join(said)


def counted(kind: str, count: int) -> str:
    if not count:
        return _("an empty list") if kind == "array" else _("an empty object")
    if kind == "array":
        return ngettext("{count} entry", "{count} entries", count).format(count=f"{count:,}")
    return ngettext("{count} member", "{count} members", count).format(count=f"{count:,}")


def more(part: Part) -> dict[str, str] | None:
    """The link to what follows; None: that was all."""
    if not part.get("next"):
        return None
    shown = part["members"][-1]["key"] + 1 if part["kind"] == "array" else None
    total = f"{part['count']:,}"
    said = _("of {total}") if shown is None else _("{shown} of {total} shown")
    return {
        "query": query(part["pointer"], after=part["next"]),
        "said": said.format(shown=f"{shown:,}" if shown else "", total=total),
    }


def query(pointer: str, **values: str) -> str:
    return "?" + urlencode({"pointer": pointer, **values})


def named(key: str | int) -> str:
    return str(key) or '""'


def written(value: Any) -> str:
    """A text as it is, any other scalar as JSON writes it."""
    match value:
        case str():
            return value
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
    return str(value)
