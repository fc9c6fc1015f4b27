"""Runs in the admin: the list, one run's page with its live part, and the two verbs."""

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from workflows.admin import columns, payloads, reading
from workflows.admin.acting import CANCEL, RETRY, UNDO, VERBS, Verb
from workflows.admin.conf import conf
from workflows.admin.confirming import act, confirmation
from workflows.admin.detail import detail_context, position_of
from workflows.admin.filters import StuckFilter, WorkflowFilter
from workflows.admin.readonly import ReadOnlyAdmin
from workflows.models import Run
from workflows.principals import signed_in
from workflows.rights import may_see_payloads
from workflows.selectors import runs_visible_to


@admin.register(Run)
class RunAdmin(ReadOnlyAdmin[Run]):
    """Reads are of a fixed number of queries; writes are the services' verbs, each with its own permission."""

    list_display = ("what", "run_state", "doing", "progress", "age")
    list_display_links = ("what",)
    list_filter = ("state", WorkflowFilter, "created_at", StuckFilter)
    search_fields = ("title",)  # draws the search box; `reading.search` decides
    search_help_text = "Id or reference of a run, words of its title, or its owner"
    ordering = ("-created_at", "-id")
    actions = ("retry_runs", "undo_runs", "cancel_runs")

    class Media:
        css = {"all": ("workflows/admin.css",)}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Run]:
        return reading.runs_with_steps(signed_in(request))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Run], search_term: str
    ) -> tuple[QuerySet[Run], bool]:
        term = search_term.strip()
        return (reading.search(queryset, term) if term else queryset), False

    # --- columns ------------------------------------------------------------------------------------------

    @admin.display(description="run")
    def what(self, run: Run) -> str:
        return columns.what_cell(run)

    @admin.display(description="state")
    def run_state(self, run: Run) -> str:
        return columns.state_cell(run, now=timezone.now())

    @admin.display(description="step")
    def doing(self, run: Run) -> str:
        return columns.doing_cell(run, now=timezone.now())

    @admin.display(description="progress")
    def progress(self, run: Run) -> str:
        return columns.progress_cell(run)

    @admin.display(description="created", ordering="created_at")
    def age(self, run: Run) -> str:
        return columns.age_cell(run, now=timezone.now())

    # --- one run ------------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("act/<slug:slug>/", wrap(require_POST(self.act_view)), name="workflows_run_act"),
            path("<uuid:run_id>/live/", wrap(require_safe(self.live_view)), name="workflows_run_live"),
            path(
                "<uuid:run_id>/payload/<slug:kind>/<slug:key>/",
                wrap(require_safe(self.payload_view)),
                name="workflows_run_payload",
            ),
            path(
                "<uuid:run_id>/act/<slug:slug>/", wrap(require_safe(self.ask_view)), name="workflows_run_ask"
            ),
            *super().get_urls(),
        ]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The page of one run. There is no form on it: a run is read, and acted on by verbs."""
        return self._run_page(request, _uuid(object_id), "admin/workflows/run/detail.html")

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """What people did to a run is in its audit trail."""
        return redirect(reverse("admin:workflows_run_change", args=[_uuid(object_id)]) + "#audit")

    def live_view(self, request: HttpRequest, run_id: UUID) -> HttpResponse:
        """The moving part of a run's page, for the module that follows the run."""
        return self._run_page(request, run_id, "admin/workflows/run/_live.html")

    def _run_page(self, request: HttpRequest, run_id: UUID, template: str) -> HttpResponse:
        self._need(self.has_view_permission(request))
        read = reading.read_run(signed_in(request), run_id, at=position_of(request))
        context = {**self._site(request), **detail_context(read, request)}
        return TemplateResponse(request, template, context)

    def payload_view(self, request: HttpRequest, run_id: UUID, kind: str, key: str) -> HttpResponse:
        self._need(self.has_view_permission(request))
        run = get_object_or_404(runs_visible_to(signed_in(request)).defer("input", "plan"), pk=run_id)
        self._need(may_see_payloads(signed_in(request), run))
        return payloads.payload_view(request, run_id, kind=kind, key=key)

    # --- verbs --------------------------------------------------------------------------------------------

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return RETRY.is_permitted(request.user)

    def has_undo_permission(self, request: HttpRequest) -> bool:
        return UNDO.is_permitted(request.user)

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return CANCEL.is_permitted(request.user)

    @admin.action(description="Cancel…", permissions=["cancel"])
    def cancel_runs(self, request: HttpRequest, queryset: QuerySet[Run]) -> HttpResponse | None:
        return self._ask_for_many(request, CANCEL, queryset)

    @admin.action(description="Retry…", permissions=["retry"])
    def retry_runs(self, request: HttpRequest, queryset: QuerySet[Run]) -> HttpResponse | None:
        return self._ask_for_many(request, RETRY, queryset)

    @admin.action(description="Undo…", permissions=["undo"])
    def undo_runs(self, request: HttpRequest, queryset: QuerySet[Run]) -> HttpResponse | None:
        return self._ask_for_many(request, UNDO, queryset)

    def _ask_for_many(self, request: HttpRequest, verb: Verb, queryset: QuerySet[Run]) -> HttpResponse | None:
        limit = conf().admin_bulk_max
        run_ids = list(queryset.values_list("pk", flat=True)[: limit + 1])
        if len(run_ids) > limit:
            messages.error(request, f"Choose at most {limit} runs at a time, for instance with a filter.")
            return None
        filters = request.GET.urlencode()
        return confirmation(request, verb, run_ids=run_ids, context=self._site(request), filters=filters)

    def ask_view(self, request: HttpRequest, run_id: UUID, slug: str) -> HttpResponse:
        """What the verb would do to this run, and the button that does it."""
        verb = self._verb(request, slug)
        return confirmation(request, verb, run_ids=[run_id], context=self._site(request), filters=None)

    def act_view(self, request: HttpRequest, slug: str) -> HttpResponse:
        return act(request, self._verb(request, slug), context=self._site(request))

    def _verb(self, request: HttpRequest, slug: str) -> Verb:
        if slug not in VERBS:
            raise Http404
        self._need(self.has_view_permission(request) and VERBS[slug].is_permitted(request.user))
        return VERBS[slug]

    def _need(self, is_permitted: bool) -> None:
        if not is_permitted:
            raise PermissionDenied

    def _site(self, request: HttpRequest) -> dict[str, Any]:
        return {**self.admin_site.each_context(request), "opts": self.opts, "media": self.media}


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise Http404 from error
