"""What a try is to send: apart from `sending`, so that an outbox without webhooks needs no HTTP client."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Outgoing:
    """id: the event's. secrets: all that are to sign."""

    url: str = field(repr=False)
    id: str
    body: bytes = field(repr=False)
    secrets: Sequence[str] = field(repr=False)
