"""Webhooks in the admin: who is told of events, and what became of each. A secret is shown once, when it is made."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.forms import ModelForm, ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html

from outbox.clock import CLOCK
from outbox.models import Delivery, Webhook
from outbox.webhooks.addresses import AddressRefused
from outbox.webhooks.registering import add, check_url, enable, rotate, send_again
from outbox.webhooks.signing import new_secret
from workflows.admin import columns
from workflows.admin.conf import conf
from workflows.admin.readonly import ReadOnlyAdmin
from workflows.admin.wording import ago
from workflows.rights import PAYLOADS

RESEND = "outbox.resend_delivery"
HEALTH = ("failures", "failing_since", "disabled_at", "disabled_because", "created_by", "created_at")


class WebhookForm(ModelForm):  # type: ignore[type-arg]  # the class takes none when the program runs
    """fault: what is wrong with the address that was sent; the admin sets it."""

    fault: str | None = None

    class Meta:
        model = Webhook
        fields = ("url", "description", "types", "audience", "is_active")

    def clean_url(self) -> str:
        """Only a new address is judged: one whose name is not found today can still be switched off."""
        if self.fault and "url" in self.changed_data:
            raise ValidationError(self.fault)
        url: str = self.cleaned_data["url"]
        return url

    def clean_types(self) -> list[str]:
        """An empty field is an empty list."""
        return self.cleaned_data["types"] or []


@admin.register(Webhook)
class WebhookAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    form = WebhookForm
    fields = ("url", "description", "types", "audience", "is_active")
    list_display = ("name", "host", "audience", "is_active", "health", "created_by")
    list_filter = ("is_active",)
    change_form_template = "admin/outbox/webhook/change_form.html"

    def get_fields(self, request: HttpRequest, obj: Webhook | None = None) -> tuple[str, ...]:
        return self.fields if obj is None else (*self.fields, *HEALTH)

    def get_readonly_fields(self, request: HttpRequest, obj: Webhook | None = None) -> tuple[str, ...]:
        return () if obj is None else HEALTH

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The name service is asked here, since Django opens a transaction next."""
        if request.method == "POST" and (
            self.has_add_permission(request) or self.has_change_permission(request)
        ):
            setattr(request, "fault", _fault_of(request.POST.get("url", "")))  # noqa: B010
        return super().changeform_view(request, object_id, form_url, extra_context)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        return type(form.__name__, (form,), {"fault": getattr(request, "fault", None)})

    def save_model(self, request: HttpRequest, obj: Webhook, form: Any, change: bool) -> None:
        """Only what was changed: a process may note a failure, or somebody replace the secret, meanwhile."""
        if not change:
            obj.secret, obj.created_by = new_secret(), request.user.get_username()
            add(obj)
            return
        changed = set(form.changed_data)
        if "is_active" in changed and obj.is_active:
            enable(obj)
            changed |= {"failures", "failing_since", "disabled_at", "disabled_because"}
        obj.save(update_fields=changed)

    def response_add(
        self, request: HttpRequest, obj: Webhook, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Not a message after a redirect: that would put the secret into a cookie."""
        return self._show_secret(request, obj, obj.secret)

    def get_urls(self) -> list[URLPattern]:
        rotation = self.admin_site.admin_view(self.rotate_view)
        return [path("<int:pk>/rotate/", rotation, name="outbox_webhook_rotate"), *super().get_urls()]

    def rotate_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        webhook = Webhook.objects.filter(pk=pk).first()
        if webhook is None:
            raise Http404
        if not self.has_change_permission(request, webhook):
            raise PermissionDenied
        if request.method != "POST":
            return self._show_secret(request, webhook, None)
        with transaction.atomic():
            secret = rotate(pk, clock=CLOCK)
            self.log_change(request, webhook, "Replaced the secret.")
            webhook.refresh_from_db()
        return self._show_secret(request, webhook, secret)

    def _show_secret(self, request: HttpRequest, webhook: Webhook, secret: str | None) -> HttpResponse:
        """secret: None asks whether it is to be replaced."""
        context = {
            **self.admin_site.each_context(request),
            "title": "Replace the secret" if secret is None else "The secret",
            "opts": self.opts,
            "webhook": webhook,
            "secret": secret,
        }
        return TemplateResponse(request, "admin/outbox/webhook/secret.html", context)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Counted: a list of all deliveries would be longer than a page."""
        hooks = list(objs)
        count = Delivery.objects.filter(webhook__in=hooks).count()
        counts = {"webhooks": len(hooks), "deliveries": count}
        may = all(self.has_delete_permission(request, hook) for hook in hooks)
        return [str(hook) for hook in hooks], counts, set() if may else {"webhook"}, []

    @admin.display(description="webhook")
    def name(self, webhook: Webhook) -> str:
        return str(webhook)

    @admin.display(description="health")
    def health(self, webhook: Webhook) -> str:
        if webhook.disabled_because:
            return f"switched off: {webhook.disabled_because}"
        if webhook.failing_since is None:
            return "well"
        since = ago(webhook.failing_since, timezone.now())
        return f"failing, first {since}, {webhook.failures} tries in a row"


def _fault_of(url: str) -> str | None:
    try:
        check_url(url)
    except AddressRefused as error:
        return str(error)
    return None


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin[Delivery]):
    """What became of each event for each webhook. Its body is a payload, with the right for payloads."""

    list_display = ("when", "type", "to", "run", "state", "attempts", "said", "next_try")
    list_filter = ("state", "webhook")
    ordering = ("-pk",)
    sortable_by = ()
    actions = ("send_again",)

    class Media:
        css = {"all": ("workflows/admin.css",)}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        return super().get_queryset(request).select_related("webhook").defer("body")

    def get_fields(self, request: HttpRequest, obj: Delivery | None = None) -> Any:
        shown = [
            "webhook",
            "type",
            "stream",
            "epoch",
            "seq",
            "event_id",
            "state",
            "attempts",
            "tries",
            "due_at",
        ]
        shown += ["last_status", "last_error", "created_at", "finished_at"]
        return [*shown, "body"] if request.user.has_perm(PAYLOADS) else shown

    def has_resend_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(RESEND)

    @admin.action(description="Send selected deliveries again", permissions=["resend"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> None:
        ids = list(queryset.values_list("pk", flat=True)[: conf().admin_bulk_max])
        chosen = Delivery.objects.filter(pk__in=ids)
        with transaction.atomic():
            count = send_again(chosen, clock=CLOCK)
            assert request.user.pk is not None
            LogEntry.objects.log_actions(request.user.pk, chosen, CHANGE, change_message="Sent again.")
        messages.success(
            request, f"{count} in line again; those of a webhook that is off wait until it is on."
        )

    @admin.display(description="event")
    def when(self, delivery: Delivery) -> str:
        at = timezone.localtime(delivery.created_at)
        return columns.moment(delivery.created_at, f"{at:%Y-%m-%d %H:%M:%S}")

    @admin.display(description="webhook")
    def to(self, delivery: Delivery) -> str:
        return str(delivery.webhook)

    @admin.display(description="run")
    def run(self, delivery: Delivery) -> str:
        address = reverse("admin:workflows_run_change", args=[delivery.stream])
        return format_html('<a href="{}"><code>{}</code></a> {}', address, delivery.stream, delivery.seq)

    @admin.display(description="answer")
    def said(self, delivery: Delivery) -> str:
        return delivery.last_error or (
            columns.NONE if delivery.last_status is None else str(delivery.last_status)
        )

    @admin.display(description="next try")
    def next_try(self, delivery: Delivery) -> str:
        at = delivery.due_at
        return (
            columns.NONE if at is None else columns.moment(at, f"{timezone.localtime(at):%Y-%m-%d %H:%M:%S}")
        )
