"""Streams and their entries: the message, the audit trail and the replay source in one table.

An entry is pending while `seq > stream.published`; nothing is ever marked row by row.
"""

from datetime import datetime

from django.db import models
from django.db.models import F, Q

from outbox import wire


class Audience(models.TextChoices):
    """Who may see an entry: everyone with the page, whoever calls the API, or operators only."""

    PUBLIC = "public"
    MEMBER = "member"
    OPERATOR = "operator"

    @classmethod
    def seen_by(cls, audience: "Audience") -> frozenset[str]:
        """The audiences whose entries a reader of `audience` may see: its own and the wider ones."""
        order = [cls.PUBLIC, cls.MEMBER, cls.OPERATOR]
        return frozenset(order[: order.index(audience) + 1])


class StreamQuerySet(models.QuerySet["Stream"]):
    def to_do(self, *, now: datetime) -> "StreamQuerySet":
        """The relay's to-do list: dirty streams that are not waiting after a failure.

        Healthy ones first, and of those the ones with the least to publish: after an outage a live run does not
        wait behind the backlog of others.
        """
        ready = Q(retry_at__isnull=True) | Q(retry_at__lte=now)
        return self.filter(ready, dirty=True).order_by(
            F("retry_at").asc(nulls_first=True), F("head") - F("published")
        )


class Stream(models.Model):
    """The head of one gapless sequence. Its row lock orders the writers; its head rolls back with them."""

    key = models.UUIDField(primary_key=True)
    shard = models.PositiveSmallIntegerField()
    head = models.BigIntegerField(default=0)  # last seq written
    published = models.BigIntegerField(default=0)  # last seq that Redis was given
    # A flag of its own: a partial index on `published < head` would cost PostgreSQL its HOT updates.
    dirty = models.BooleanField(default=False)
    closed = models.BooleanField(default=False)  # the last entry ended a round; the Redis stream may expire
    epoch = models.PositiveIntegerField(default=1)
    failures = models.PositiveSmallIntegerField(default=0)  # publishing failed so often in a row
    retry_at = models.DateTimeField(null=True, blank=True)

    objects = StreamQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(name="outbox_stream_to_do", fields=["retry_at"], condition=Q(dirty=True))]
        constraints = [
            models.CheckConstraint(
                name="outbox_stream_published_to_head",
                condition=Q(published__gte=0) & Q(published__lte=F("head")),
            ),
            models.CheckConstraint(name="outbox_stream_known_shard", condition=Q(shard__lt=wire.SHARD_COUNT)),
        ]

    def __str__(self) -> str:
        return f"{self.key} at {self.head}"


class Entry(models.Model):
    """One message, written with its cause and never changed."""

    id = models.UUIDField(primary_key=True)
    stream = models.ForeignKey(Stream, on_delete=models.CASCADE, related_name="entries")
    seq = models.BigIntegerField()
    type = models.CharField(max_length=64)
    audience = models.CharField(max_length=16, choices=Audience.choices)
    headers = models.JSONField(default=dict)  # small; merged into the envelope: step, attempt
    payload = models.JSONField(default=dict)
    created_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "entries"
        constraints = [
            models.UniqueConstraint(name="outbox_entry_one_per_seq", fields=["stream", "seq"]),
            models.CheckConstraint(name="outbox_entry_seq_from_one", condition=Q(seq__gte=1)),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.seq} of {self.stream_id}"
