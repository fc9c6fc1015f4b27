"""How far each run's log has been published, and another try for what could not be."""

from datetime import datetime
from typing import Any, Final

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.db.models import F, OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from outbox.clock import CLOCK
from outbox.models import Entry, Stream
from outbox.redis import client
from outbox.report import ago as seconds_ago
from outbox.report import backlog_text, read_report
from outbox.requeueing import requeue
from workflows.admin import columns
from workflows.admin.conf import conf
from workflows.admin.readonly import ReadOnlyAdmin
from workflows.admin.wording import ago

REDIS_TIMEOUT_SECONDS: Final = 1.0  # a frozen Redis must not hold up the page that says so
REQUEUE_PERMISSION: Final = "outbox.change_stream"


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
    actions = ("requeue_streams",)
    change_list_template = "admin/workflows/stream/change_list.html"
    sortable_by = ()
    ordering = ("-key",)  # ids are ordered by time
    fields = ("key", "shard", "head", "published", "dirty", "closed", "epoch", "failures", "retry_at")

    class Media:
        css = {"all": ("workflows/admin.css",)}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Stream]:
        oldest = Entry.objects.filter(stream=OuterRef("pk"), seq=OuterRef("published") + 1)
        since = Subquery(oldest.values("created_at"))
        return super().get_queryset(request).annotate(waiting_since=since, missing=F("head") - F("published"))

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().changelist_view(request, {"outbox": _summary(), **(extra_context or {})})

    def has_requeue_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(REQUEUE_PERMISSION)

    @admin.action(description="Try again at once", permissions=["requeue"])
    def requeue_streams(self, request: HttpRequest, queryset: QuerySet[Stream]) -> None:
        keys = list(queryset.values_list("key", flat=True)[: conf().admin_bulk_max])
        done = requeue(keys, reason=f"by {request.user.get_username()} in the admin")
        assert request.user.pk is not None
        tried = Stream.objects.filter(key__in=done)
        LogEntry.objects.log_actions(request.user.pk, tried, CHANGE, change_message="Tried again at once.")
        text = f"{len(done)} of {len(keys)} are tried again at once; the others had not failed."
        self.message_user(request, text, messages.SUCCESS if done else messages.WARNING)

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


def _summary() -> dict[str, Any]:
    """Of the whole outbox, not of the rows that are listed."""
    report = read_report(client(timeout_seconds=REDIS_TIMEOUT_SECONDS), clock=CLOCK)
    summary: dict[str, Any] = {"troubles": report.troubles()}
    if report.database is not None:
        now = report.database.taken_at
        summary["backlog"] = backlog_text(report.database.backlog, now=now)
        if report.redis is not None and report.redis.last_published_at is not None:
            summary["last_published"] = seconds_ago(report.redis.last_published_at, now)
    return summary
