"""What people did: a list beside the runs."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from workflows.admin import columns
from workflows.admin.filters import ActionFilter
from workflows.admin.readonly import ReadOnlyAdmin
from workflows.admin.wording import clipped
from workflows.models import AuditEntry


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin[AuditEntry]):
    """Written in the commit of each action, never here."""

    list_display = ("when", "verb", "on", "by", "why", "change")
    list_filter = (ActionFilter, "created_at")
    fields = ("created_at", "action", "run", "actor", "reason", "before", "after")

    class Media:
        css = {"all": ("workflows/admin.css",)}

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditEntry]:
        rows = super().get_queryset(request).select_related("run", "actor")
        return rows.defer("run__input", "run__plan")

    @admin.display(description="when", ordering="created_at")
    def when(self, entry: AuditEntry) -> str:
        return columns.moment(entry.created_at, f"{timezone.localtime(entry.created_at):%Y-%m-%d %H:%M:%S}")

    @admin.display(description="action")
    def verb(self, entry: AuditEntry) -> str:
        return entry.action

    @admin.display(description="run")
    def on(self, entry: AuditEntry) -> str:
        if entry.run is None:
            return f"{entry.run_ref}, erased"
        address = reverse("admin:workflows_run_change", args=[entry.run_id])
        return format_html('<a href="{}">{}</a>', address, entry.run.title or entry.run_id)

    @admin.display(description="who")
    def by(self, entry: AuditEntry) -> str:
        return columns.NONE if entry.actor is None else entry.actor.get_username()

    @admin.display(description="reason")
    def why(self, entry: AuditEntry) -> str:
        return clipped(entry.reason, columns.SENTENCE_MAX_CHARS)

    @admin.display(description="state before and after")
    def change(self, entry: AuditEntry) -> str:
        return f"{entry.before} → {entry.after}"
