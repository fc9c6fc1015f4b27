"""Streams and their entries: the message, the audit trail and the replay source in one table.

An entry is pending while `seq > stream.published`; nothing is ever marked row by row.
"""

from datetime import UTC, datetime
from uuid import UUID

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
        """The relay's to-do list: dirty streams that are not waiting after a failure, those of live runs first.

        In the order of the partial index, so that a pass reads what it takes and not the whole backlog.
        """
        ready = Q(retry_at__isnull=True) | Q(retry_at__lte=now)
        return self.filter(ready, dirty=True).order_by("closed")


class Stream(models.Model):
    """The head of one gapless sequence. Its row lock orders the writers; its head rolls back with them."""

    key = models.UUIDField(primary_key=True)
    shard = models.PositiveSmallIntegerField()
    head = models.BigIntegerField(default=0)  # last seq written
    published = models.BigIntegerField(default=0)  # last seq that Redis was given
    # A flag of its own: a partial index on `published < head` would cost PostgreSQL its HOT updates.
    dirty = models.BooleanField(default=False)
    closed = models.BooleanField(default=False)  # the last entry ended a round; the Redis stream may expire
    epoch = models.PositiveBigIntegerField(
        default=1
    )  # moves on when the database was restored: `outbox.epochs`
    # Entries up to this seq were removed by retention. The database knows the default: a former release inserts too.
    pruned = models.BigIntegerField(default=0, db_default=0)
    failures = models.PositiveSmallIntegerField(default=0)  # publishing failed so often in a row
    retry_at = models.DateTimeField(null=True, blank=True)

    objects = StreamQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(name="outbox_stream_to_do", fields=["closed"], condition=Q(dirty=True))]
        constraints = [
            models.CheckConstraint(
                name="outbox_stream_published_to_head",
                condition=Q(published__gte=0) & Q(published__lte=F("head")),
            ),
            models.CheckConstraint(
                name="outbox_stream_pruned_to_published", condition=Q(pruned__lte=F("published"))
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
    headers = models.JSONField(
        default=dict, decoder=wire.Decoder
    )  # small; merged into the envelope: step, attempt
    payload = models.JSONField(default=dict, decoder=wire.Decoder)
    created_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "entries"
        constraints = [
            models.UniqueConstraint(name="outbox_entry_one_per_seq", fields=["stream", "seq"]),
            models.CheckConstraint(name="outbox_entry_seq_from_one", condition=Q(seq__gte=1)),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.seq} of {self.stream_id}"


class Inbox(models.Model):
    """How far a consumer has come in a stream: everything up to `seq` of `epoch` has had its effect, once.

    Events are applied in order, so that one row a stream says of each event whether it was applied. The row is
    written in the commit of the effect. No foreign key: a consumer may live on another database than the streams.
    """

    # The stream of a row whose seq says when a consumer with start="now" began: milliseconds since 1970.
    NO_STREAM = UUID(int=0)

    consumer = models.CharField(max_length=64)
    stream = models.UUIDField()
    epoch = models.PositiveBigIntegerField(default=1)
    seq = models.BigIntegerField(default=0)
    # The last event that we know to be done with: after a restore its number may be that of another one.
    event_id = models.UUIDField(null=True)
    failures = models.PositiveSmallIntegerField(default=0)  # tries of event seq + 1 that failed
    # Tries in a row that met trouble of the database. The event is not given up for them, but it waits ever longer.
    put_off = models.PositiveSmallIntegerField(default=0, db_default=0)
    retry_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=500, blank=True)

    class Meta:
        verbose_name_plural = "inboxes"
        constraints = [
            models.UniqueConstraint(name="outbox_inbox_one_per_stream", fields=["consumer", "stream"]),
        ]
        indexes = [
            models.Index(
                name="outbox_inbox_to_retry",
                fields=["consumer", "retry_at"],
                condition=Q(retry_at__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return f"{self.consumer} at {self.seq} of {self.stream}"

    @classmethod
    def begin(cls, consumer: str, *, now: datetime) -> datetime:
        """From when on a consumer with start="now" is told of events: `now`, or when it began first."""
        row, _ = cls.objects.get_or_create(
            consumer=consumer, stream=cls.NO_STREAM, defaults={"seq": int(now.timestamp() * 1_000)}
        )
        return datetime.fromtimestamp(row.seq / 1_000, UTC)


class DeadLetter(models.Model):
    """An event that a consumer could not apply after its last try: skipped, kept, and told to the operator."""

    consumer = models.CharField(max_length=64)
    stream = models.UUIDField()
    epoch = models.PositiveBigIntegerField()
    seq = models.BigIntegerField()
    event_id = models.UUIDField()
    type = models.CharField(max_length=64)
    envelope = models.JSONField(decoder=wire.Decoder)
    failures = models.PositiveSmallIntegerField()
    error = models.CharField(max_length=500)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="outbox_dead_letter_once", fields=["consumer", "stream", "epoch", "seq"]
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.seq} of {self.stream} for {self.consumer}"


class ShardLease(models.Model):
    """Who works on a shard now. It saves work and keeps a group's order; correctness never rests on it."""

    role = models.CharField(max_length=80)  # `relay`, or `consumer:<name>`
    shard = models.PositiveSmallIntegerField()
    holder = models.UUIDField(null=True)
    until = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(name="outbox_lease_one_per_shard", fields=["role", "shard"])]

    def __str__(self) -> str:
        return f"{self.role} of shard {self.shard}"


class KnownDatabase(models.Model):
    """Which database the log was last written to: another one now means that it was restored (`outbox.epochs`)."""

    identity = models.CharField(max_length=64)
    since = models.DateTimeField()

    def __str__(self) -> str:
        return self.identity
