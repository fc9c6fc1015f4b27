"""Signed webhooks. These names are for receivers, and need no Django; the rest is ours."""

from outbox.webhooks.signing import (
    BadHeaders,
    OutsideWindow,
    Verified,
    WebhookRefused,
    WrongSignature,
    verify,
)

__all__ = [
    "BadHeaders",
    "OutsideWindow",
    "Verified",
    "WebhookRefused",
    "WrongSignature",
    "verify",
]
