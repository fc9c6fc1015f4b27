"""Hand in a document by HTTP, and fetch its report."""

from collections.abc import Sequence
from typing import Any, Literal, cast
from uuid import UUID

from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse
from django.utils.http import content_disposition_header
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from rest_framework.exceptions import AuthenticationFailed, ValidationError
from rest_framework.parsers import BaseParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from documents.body_limit import refuse_large_body
from documents.errors import UploadRefused
from documents.flows import document_analysis, write_report
from documents.report import ReportFiles
from documents.starting import start_analysis
from documents.storage import FileDamaged, load_file
from documents.uploads import clean_title, discard, receive
from workflows import selectors, telemetry
from workflows.api.authentication import challenge, identify, principal
from workflows.api.problems import plain_problem, problem
from workflows.api.requests import is_replay, read_key
from workflows.api.throttling import Uploads
from workflows.errors import EngineError
from workflows.models import Run, Scope
from workflows.principals import Principal, by_link
from workflows.rights import may_see_result
from workflows.states import StepState

Format = Literal["html", "pdf"]

POLL_SECONDS = 5
# The report quotes a document that anybody may have written: no script, no request, an origin of its own.
REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; sandbox"


class StartAnalysis(APIView):
    write_scope = Scope.START
    throttle_classes = (Uploads,)
    parser_classes: Sequence[type[BaseParser]] = [MultiPartParser]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        refuse_large_body(request._request)  # before a session's CSRF check reads the form
        super().initial(request, *args, **kwargs)

    def post(self, request: Request) -> Response:
        """Start the analysis of `file` (multipart). 202 with the run's snapshot and its Location.

        Optional: `title`, what the run is called. Refusals are problems with the codes of `documents.errors`.
        """
        uploads = request.FILES.getlist("file")
        if len(uploads) != 1:
            raise ValidationError("send the document as one multipart field named file")
        document = receive(uploads[0])
        title = clean_title(request.POST.get("title", ""))
        try:
            key = read_key(request, scope="analysis", body={"sha256": document.sha256, "title": title})
            replayed = is_replay(key)
        except EngineError:
            discard(document)
            raise
        run = start_analysis(
            document,
            owner=cast(User, request.user),
            title=title or None,
            request=key,
            called_from=telemetry.incoming(request.headers),
        )
        with selectors.consistent_read():
            body = selectors.snapshot(run, link=request.build_absolute_uri, viewer=principal(request))
        location = request.build_absolute_uri(reverse("run", args=[run.pk]))
        headers = {"Location": location, "Cache-Control": "no-store"}
        if replayed:
            headers["Idempotency-Replayed"] = "true"
        return Response(body, status=202, headers=headers)

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, UploadRefused):
            return problem(exc.code, exc.detail, **exc.extras)
        return super().handle_exception(exc)


@require_safe
@never_cache
def report(request: HttpRequest, run_id: UUID, format: Format) -> HttpResponseBase:
    """The report of a run: the HTML to read in the browser, the PDF to keep."""
    try:
        reader = identify(request)
    except AuthenticationFailed:
        reader = None
    if reader is None:
        return _ask_to_sign_in(request)
    return _report(request, run_id, reader, format)


@require_safe
@never_cache
def shared_report(request: HttpRequest, secret: str, format: Format) -> HttpResponseBase:
    """The same for whoever has a share link that shows the result."""
    holder = by_link(secret)
    if holder is None or holder.run_id is None:
        return _absent(request, "This link opens nothing.")
    return _report(request, holder.run_id, holder, format)


def _report(request: HttpRequest, run_id: UUID, reader: Principal, format: Format) -> HttpResponseBase:
    run = selectors.runs_visible_to(reader).filter(pk=run_id).first()
    if run is None or run.workflow != document_analysis.name:
        return _absent(request, "There is no such report that you may see.")
    if not (reader.has(Scope.READ) and may_see_result(reader, run)):
        return _not_yours(request)
    step = run.steps.get(name=write_report.name)
    if step.state == StepState.COMPLETED:
        return _file(request, run, ReportFiles.model_validate(step.output), format=format)
    if step.state == StepState.COMPENSATED:
        return _absent(request, "The report was removed when the run was undone.")
    return _not_yet(run)


def _file(request: HttpRequest, run: Run, files: ReportFiles, *, format: Format) -> HttpResponseBase:
    file = files.pdf if format == "pdf" else files.html
    try:
        content = load_file(file)
    except FileDamaged as damage:
        return _absent(request, f"{damage} Run the analysis again.")
    charset = "; charset=utf-8" if format == "html" else ""
    name = f"{run.input['filename'].rpartition('.')[0] or 'document'}-report.{format}"
    headers = {
        "Content-Disposition": content_disposition_header(format == "pdf", name) or "attachment",
        "Content-Security-Policy": REPORT_POLICY,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }
    return HttpResponse(content, content_type=f"{file.media_type}{charset}", headers=headers)


def _not_yet(run: Run) -> HttpResponseBase:
    detail = "The report is not written yet. It is there once the run has completed."
    if run.is_terminal:
        detail = f"The run is {run.state}, and its report was not written."
    answer = plain_problem("run-not-finished", detail, current_state=run.state)
    if not run.is_terminal:
        answer["Retry-After"] = str(POLL_SECONDS)
    return answer


def _ask_to_sign_in(request: HttpRequest) -> HttpResponseBase:
    if _is_browser(request):
        return redirect_to_login(request.get_full_path())
    answer = plain_problem(
        "not-authenticated", "Sign in, or send an API token, or a name and a password (HTTP Basic)."
    )
    answer["WWW-Authenticate"] = challenge(request)
    return answer


def _absent(request: HttpRequest, detail: str) -> HttpResponseBase:
    if _is_browser(request):
        raise Http404(detail)
    return plain_problem("not-found", detail)


def _not_yours(request: HttpRequest) -> HttpResponseBase:
    if _is_browser(request):
        raise PermissionDenied
    detail = "Reports of somebody else take the permission workflows.view_payloads; ask an administrator."
    return plain_problem("permission-denied", detail)


def _is_browser(request: HttpRequest) -> bool:
    """Whether a person waits for a page, rather than a program for an answer."""
    return "text/html" in request.headers.get("Accept", "")
