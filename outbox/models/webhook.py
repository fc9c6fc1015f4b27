"""Webhooks and what they are to be told: one row a receiver, one a receiver and event."""

from datetime import datetime
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from outbox.models.stream import Audience


class DeliveryState(models.TextChoices):
    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed", "given up"


class WebhookQuerySet(models.QuerySet["Webhook"]):
    def with_due(self, *, now: datetime) -> "WebhookQuerySet":
        """Active ones with deliveries that are due, in no order: none of them always comes first."""
        due = Delivery.objects.filter(webhook=OuterRef("pk"), due_at__lte=now)
        return self.filter(Exists(due), is_active=True).order_by("?")


class Webhook(models.Model):
    """Somebody else's HTTPS address that is told of events, and the secret that signs what it is told.

    The secrets are stored as they are, since signing needs them: who reads this table can sign in our name.
    """

    url = models.CharField("URL", max_length=2000)
    description = models.CharField(max_length=200, blank=True)
    types = models.JSONField(
        default=list,
        blank=True,
        help_text='A JSON list of event types, such as ["run.completed", "step.*"]; empty: all of its audience.',
    )
    audience = models.CharField(
        max_length=16,
        choices=Audience.choices,
        default=Audience.MEMBER,
        help_text="It is told of events of this audience and of wider ones.",
    )
    is_active = models.BooleanField("active", default=True)
    secret = models.CharField(max_length=100, editable=False)
    previous_secret = models.CharField(max_length=100, blank=True, editable=False)  # signs too, until:
    previous_until = models.DateTimeField(null=True, blank=True, editable=False)
    created_by = models.CharField(max_length=150, blank=True, editable=False)  # outlives the person
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    failures = models.PositiveIntegerField(default=0, editable=False)  # answers in a row that were none
    failing_since = models.DateTimeField(null=True, blank=True, editable=False)  # the first of them
    disabled_at = models.DateTimeField(null=True, blank=True, editable=False)  # by us, not by an operator
    disabled_because = models.CharField(max_length=200, blank=True, editable=False)

    objects = WebhookQuerySet.as_manager()

    def __str__(self) -> str:
        return self.description or self.host

    def clean(self) -> None:
        if not isinstance(self.types, list) or not all(isinstance(name, str) and name for name in self.types):
            raise ValidationError(
                {"types": 'Write a JSON list of event types, such as ["run.completed", "step.*"].'}
            )
        for name in self.types:
            if "*" in name.removesuffix(".*") or name == ".*":
                sentence = f'"{name}" matches nothing: a * stands after a dot at the end, as in "step.*".'
                raise ValidationError({"types": sentence})

    @property
    def host(self) -> str:
        """What a log may say of the address: the rest of it may be a secret of the receiver's."""
        return urlsplit(self.url).hostname or ""

    def wants(self, type_: str, audience: str) -> bool:
        """Whether it is to be told of an event of this type and audience; `step.*` stands for all of `step.`."""
        if audience not in Audience.seen_by(Audience(self.audience)):
            return False
        return not self.types or any(_covers(name, type_) for name in self.types)

    def signing_secrets(self, now: datetime) -> list[str]:
        """The current one, and while a rotation lasts the previous one too."""
        is_rotating = self.previous_until is not None and now < self.previous_until
        return [self.secret, self.previous_secret] if is_rotating else [self.secret]


def _covers(name: str, type_: str) -> bool:
    return type_.startswith(name[:-1]) if name.endswith(".*") else type_ == name


class Delivery(models.Model):
    """One event for one webhook. No foreign key to the stream: its consumer may live on another database."""

    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries")
    stream = models.UUIDField()
    epoch = models.PositiveBigIntegerField()
    seq = models.BigIntegerField()
    event_id = models.UUIDField()  # the `webhook-id` of every try
    type = models.CharField(max_length=64)
    body = models.TextField()  # exactly as it is sent: the signature is over its bytes
    state = models.CharField(max_length=16, choices=DeliveryState.choices, default=DeliveryState.PENDING)
    attempts = models.PositiveIntegerField(
        default=0
    )  # counted before each; never reset: who settles shows it
    tries = models.PositiveSmallIntegerField(default=0)  # those since it was last put in line
    # When to try; while somebody does, when his try counts as lost. Null once it is over.
    due_at = models.DateTimeField(null=True, blank=True)
    last_status = models.PositiveSmallIntegerField(null=True, blank=True)
    last_error = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "deliveries"
        permissions = [("resend_delivery", "Can send a delivery again")]
        constraints = [
            models.UniqueConstraint(name="outbox_delivery_once", fields=["webhook", "event_id"]),
            models.CheckConstraint(
                name="outbox_delivery_due_iff_pending",
                condition=Q(state=DeliveryState.PENDING, due_at__isnull=False, finished_at__isnull=True)
                | (~Q(state=DeliveryState.PENDING) & Q(due_at__isnull=True, finished_at__isnull=False)),
            ),
        ]
        indexes = [
            models.Index(
                name="outbox_delivery_due", fields=["webhook", "due_at"], condition=Q(due_at__isnull=False)
            ),
            models.Index(
                name="outbox_delivery_over", fields=["finished_at"], condition=Q(finished_at__isnull=False)
            ),
            models.Index(name="outbox_delivery_of_stream", fields=["stream"]),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.seq} of {self.stream} to {self.webhook_id}"
