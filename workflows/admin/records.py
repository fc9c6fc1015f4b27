"""Two lists beside the runs: what people did, and how far each run's log has been published."""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import F, OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from outbox.models import Entry, Stream
from workflows.admin import columns
from workflows.admin.filters import ActionFilter
from workflows.admin.readonly import ReadOnlyAdmin
from workflows.admin.wording import ago, clipped
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


class BehindFilter(admin.SimpleListFilter):
    """The relay's to-do list, by its partial index."""

    title = "publishing"
    parameter_name = "behind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Not all published"), ("failing", "Publishing fails")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Stream]) -> QuerySet[Stream]:
        match self.value():
            case "yes":
                return queryset.filter(dirty=True)
            case "failing":
                return queryset.filter(dirty=True, failures__gt=0)
        return queryset


@admin.register(Stream)
class StreamAdmin(ReadOnlyAdmin[Stream]):
    """Where an operator sees that the relay stands still, and on which stream."""

    list_display = ("of_run", "position", "behind", "waiting", "failures", "next_try")
    list_display_links = None  # the run's own page says the rest
    list_filter = (BehindFilter,)
    sortable_by = ()
    ordering = ("-key",)  # ids are ordered by time
    fields = ("key", "shard", "head", "published", "dirty", "closed", "epoch", "failures", "retry_at")

    class Media:
        css = {"all": ("workflows/admin.css",)}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Stream]:
        oldest = Entry.objects.filter(stream=OuterRef("pk"), seq=OuterRef("published") + 1)
        since = Subquery(oldest.values("created_at"))
        return super().get_queryset(request).annotate(waiting_since=since, missing=F("head") - F("published"))

    @admin.display(description="run")
    def of_run(self, stream: Stream) -> str:
        address = reverse("admin:workflows_run_change", args=[stream.key])
        return format_html('<a href="{}#outbox"><code>{}</code></a>', address, stream.key)

    @admin.display(description="published")
    def position(self, stream: Stream) -> str:
        return f"{stream.published} of {stream.head}"

    @admin.display(description="unpublished")
    def behind(self, stream: Any) -> int:
        return int(stream.missing)

    @admin.display(description="oldest unpublished")
    def waiting(self, stream: Any) -> str:
        since: datetime | None = stream.waiting_since
        return columns.NONE if since is None else columns.moment(since, ago(since, timezone.now()))

    @admin.display(description="next try")
    def next_try(self, stream: Stream) -> str:
        at = stream.retry_at
        return columns.NONE if at is None else columns.moment(at, f"{timezone.localtime(at):%H:%M:%S}")
