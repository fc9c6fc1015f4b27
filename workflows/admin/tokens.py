"""API tokens in the admin: made, with the secret shown once, and revoked."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.forms import CheckboxSelectMultiple, ModelForm, MultipleChoiceField
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from workflows.admin import columns
from workflows.admin.readonly import CappedPaginator
from workflows.admin.wording import ago
from workflows.models import ApiToken, Scope
from workflows.services.tokens import issue, revoke_tokens


class ApiTokenForm(ModelForm):  # type: ignore[type-arg]  # the class takes none when the program runs
    scopes = MultipleChoiceField(
        choices=Scope.choices, initial=[Scope.READ], widget=CheckboxSelectMultiple, label="It may"
    )

    class Meta:
        model = ApiToken
        fields = ("owner", "name", "scopes", "expires_at")


@admin.register(ApiToken)
class ApiTokenAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    form = ApiTokenForm
    paginator = CappedPaginator
    show_full_result_count = False
    list_display = ("name", "prefix", "owner", "may", "state", "last_used", "expires")
    list_select_related = ("owner",)
    ordering = ("-pk",)
    sortable_by = ()
    search_fields = ("name", "prefix", "owner__username")
    actions = ("revoke",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiToken]:
        tokens: QuerySet[ApiToken] = super().get_queryset(request)
        return tokens if _is_superuser(request) else tokens.filter(owner_id=request.user.pk)

    def get_fields(self, request: HttpRequest, obj: ApiToken | None = None) -> tuple[str, ...]:
        """A token for somebody else is all their rights in one's own hands: for superusers, who have them anyway."""
        fields = ("name", "scopes", "expires_at")
        return ("owner", *fields) if _is_superuser(request) else fields

    def has_change_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        """Another scope is another token."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        """A revoked token stays, to say that there was one."""
        return False

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        if "owner" in form.base_fields:
            form.base_fields["owner"].initial = request.user.pk
        return form

    def save_model(self, request: HttpRequest, obj: ApiToken, form: Any, change: bool) -> None:
        if not _is_superuser(request):
            assert isinstance(request.user, User)
            obj.owner = request.user
        setattr(request, "secret", issue(obj))  # noqa: B010 - for response_add, and nowhere else

    def response_add(
        self, request: HttpRequest, obj: ApiToken, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Not a message after a redirect: that would put the secret into a cookie."""
        context = {
            **self.admin_site.each_context(request),
            "title": "The token",
            "opts": self.opts,
            "token": obj,
            "secret": getattr(request, "secret"),  # noqa: B009
        }
        answer = TemplateResponse(request, "admin/workflows/apitoken/secret.html", context)
        answer["Cache-Control"] = "no-store"
        return answer

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return self.has_add_permission(request)

    @admin.action(description="Revoke selected API tokens", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        with transaction.atomic():
            chosen = list(queryset.filter(revoked_at__isnull=True))
            count = revoke_tokens(token.pk for token in chosen)
            assert request.user.pk is not None
            LogEntry.objects.log_actions(request.user.pk, chosen, CHANGE, change_message="Revoked.")
        messages.success(request, f"{count} revoked; streams that they opened end at the next heartbeat.")

    @admin.display(description="may")
    def may(self, token: ApiToken) -> str:
        return ", ".join(token.scopes)

    @admin.display(description="state")
    def state(self, token: ApiToken) -> str:
        if token.revoked_at is not None:
            return f"revoked {ago(token.revoked_at, timezone.now())}"
        if token.expires_at is not None and token.expires_at <= timezone.now():
            return "expired"
        return "good" if token.owner.is_active else "its owner's account is closed"

    @admin.display(description="last used")
    def last_used(self, token: ApiToken) -> str:
        return columns.NONE if token.last_used_at is None else ago(token.last_used_at, timezone.now())

    @admin.display(description="expires")
    def expires(self, token: ApiToken) -> str:
        return (
            columns.NONE if token.expires_at is None else f"{timezone.localtime(token.expires_at):%Y-%m-%d}"
        )


def _is_superuser(request: HttpRequest) -> bool:
    return isinstance(request.user, User) and request.user.is_superuser
