"""The documentation of each problem, at the address that its `type` names: for anyone, signed in or not."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from workflows.problem_kinds import KINDS


@require_safe
def problem_page(request: HttpRequest, slug: str) -> HttpResponse:
    if slug not in KINDS:
        raise Http404
    return render(request, "docs/problem.html", {"slug": slug, "kind": KINDS[slug]})


@require_safe
def problem_list(request: HttpRequest) -> HttpResponse:
    return render(request, "docs/problems.html", {"kinds": sorted(KINDS.items())})
