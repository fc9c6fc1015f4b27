"""What stands for somebody without a password. Of each secret only the hash is kept: `workflows/credentials.py`."""

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import Q

from workflows.models.run import Run


class Scope(models.TextChoices):
    """What a token lets its owner do. It never adds a right: whatever the owner may not, their token may not."""

    READ = "read", "Read runs and follow them"
    START = "start", "Start runs and hand in documents"
    ACT = "act", "Stop, answer, retry, undo, share and erase runs"
    PAYLOADS = "payloads", "Read inputs, items, results and reports"


class LinkScope(models.TextChoices):
    """What a share link shows."""

    PROGRESS = "progress", "How the run goes"
    ITEMS = "items", "What its steps found"
    RESULT = "result", "Its result or report"


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    def live(self, now: datetime) -> "ApiTokenQuerySet":
        """Tokens that open something now: neither expired nor revoked, and their owner is still about."""
        unexpired = Q(expires_at__isnull=True) | Q(expires_at__gt=now)
        return self.filter(unexpired, revoked_at__isnull=True, owner__is_active=True)


class ApiToken(models.Model):
    """A secret that a program sends in place of its owner's name and password.

    prefix: its first characters, to tell it from others. scopes: of `Scope`. last_used_at: to the minute.
    """

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=100, help_text="what uses it: “billing”, “nightly import”")
    prefix = models.CharField(max_length=16, editable=False)
    secret_hash = models.CharField(max_length=64, unique=True, editable=False)
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField(editable=False)
    expires_at = models.DateTimeField(
        null=True, blank=True, help_text="empty: it is good until it is revoked"
    )
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = ApiTokenQuerySet.as_manager()

    class Meta:
        verbose_name = "API token"

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class ShareLinkQuerySet(models.QuerySet["ShareLink"]):
    def live(self, now: datetime) -> "ShareLinkQuerySet":
        """Links that open something now. One whose maker's account is closed does not."""
        return self.filter(expires_at__gt=now, revoked_at__isnull=True, created_by__is_active=True)


class ShareLink(models.Model):
    """An address that shows one run to whoever has it. scopes: of `LinkScope`."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="share_links")
    secret_hash = models.CharField(max_length=64, unique=True, editable=False)
    scopes = models.JSONField(default=list)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = ShareLinkQuerySet.as_manager()

    def __str__(self) -> str:
        return f"link {self.pk} to {self.run_id}"


class StreamTicket(models.Model):
    """A secret that opens one stream, once, within a minute. Whoever opens it is `user`, as they came to it.

    token: by which they came, else by the account: `session_key` ("": by name and password) and `auth_hash`.
    run: the only one it opens; null: every one that they may see. scopes: of `Scope`, what they had.
    """

    secret_hash = models.CharField(max_length=64, unique=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    token = models.ForeignKey(ApiToken, on_delete=models.CASCADE, null=True, related_name="+")
    session_key = models.CharField(max_length=40, blank=True)
    auth_hash = models.CharField(max_length=128, blank=True)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, null=True, related_name="+")
    scopes = models.JSONField(default=list)
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"ticket {self.pk} of {self.user_id}"
