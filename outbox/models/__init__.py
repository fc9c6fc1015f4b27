from outbox.models.stream import (
    Audience,
    DeadLetter,
    Entry,
    Inbox,
    KnownDatabase,
    ShardLease,
    Stream,
    StreamQuerySet,
)
from outbox.models.webhook import Delivery, DeliveryState, Webhook, WebhookQuerySet

__all__ = [
    "Audience",
    "DeadLetter",
    "Delivery",
    "DeliveryState",
    "Entry",
    "Inbox",
    "KnownDatabase",
    "ShardLease",
    "Stream",
    "StreamQuerySet",
    "Webhook",
    "WebhookQuerySet",
]
