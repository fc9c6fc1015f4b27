"""The home page: hand in a document, and see what became of the earlier ones. Works without JavaScript."""

from typing import Any, cast

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods
from rest_framework.exceptions import ValidationError

from documents.body_limit import refuse_large_body
from documents.conf import conf
from documents.errors import UploadRefused
from documents.starting import start_analysis
from documents.uploads import receive
from workflows import selectors, telemetry
from workflows.api.pagination import page_of_runs
from workflows.conf import conf as workflow_conf
from workflows.entrance import limits
from workflows.models import Run
from workflows.pages.words import run_words
from workflows.principals import principal_of, signed_in
from workflows.problem_kinds import KINDS


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
def home(request: HttpRequest) -> HttpResponse:
    """The upload form and the reader's own runs. A POST starts an analysis, or says why it does not."""
    if request.method != "POST":
        return _page(request)
    try:
        run = analyse_upload(request)
    except UploadRefused as refusal:
        return _page(request, refusal=refusal, status=KINDS[refusal.code].status)
    return redirect("run-page", run.pk)


def analyse_upload(request: HttpRequest) -> Run:
    """Start the analysis of the file in a form. Raises UploadRefused, TooOften; nothing is kept then."""
    refuse_large_body(request)
    limits.require(limits.uploads(), signed_in(request))
    upload = request.FILES.get("file")
    if upload is None:
        raise UploadRefused("no-file", "No file came with the form. Choose a document first.")
    caller = telemetry.incoming(request.headers)
    return start_analysis(receive(upload), owner=cast(User, request.user), called_from=caller)


def _page(request: HttpRequest, *, refusal: UploadRefused | None = None, status: int = 200) -> HttpResponse:
    user = cast(User, request.user)
    runs, following = _own_runs(user, request.GET.get("cursor"))
    context = {
        "runs": runs,
        "next": following,
        "refusal": refusal,
        "max_megabytes": f"{conf().upload_max_bytes / 1_000_000:.3g}",
        "max_pages": conf().upload_max_pages,
    }
    return render(request, "home.html", context, status=status)


def _own_runs(user: User, cursor: str | None) -> tuple[list[dict[str, Any]], str | None]:
    """Rows of the newest runs after `cursor`, also of staff their own alone, and the cursor of the older ones."""
    own = selectors.runs_visible_to(principal_of(user)).filter(owner=user)
    limit = workflow_conf().page_size
    with selectors.consistent_read():
        try:
            runs, following = page_of_runs(own, cursor=cursor, limit=limit)
        except ValidationError:  # a mistyped address is no reason to show nothing
            runs, following = page_of_runs(own, cursor=None, limit=limit)
        rows = selectors.run_rows(runs)
    words = run_words()
    said = [
        {**row, "word": words[row["state"]], "created": run.created_at}
        for row, run in zip(rows, runs, strict=True)
    ]
    return said, following


urlpatterns = [path("", home, name="home")]
