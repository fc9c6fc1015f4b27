from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import pytest

from outbox.models import Audience, Delivery, Webhook
from outbox.webhooks.deliverer import Deliverer
from outbox.webhooks.deliveries import enqueue
from outbox.webhooks.signing import new_secret
from tests.factories import NOW
from tests.integration.outbox.webhooks.receiver import Receiver, receiving
from workflows.testing import FakeClock


@pytest.fixture(autouse=True)
def loopback(settings: Any) -> None:
    """The receivers of these tests are on this machine, and most of them speak plain HTTP."""
    settings.LONGHAUL = {
        **settings.LONGHAUL,
        "WEBHOOK_ALLOW_HTTP": True,
        "WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
        "WEBHOOK_TIMEOUT_SECONDS": 5,
        "WEBHOOK_CONCURRENCY": 8,
    }


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


@pytest.fixture
def deliverer(clock: FakeClock) -> Iterator[Deliverer]:
    one = Deliverer(clock=clock, roll=lambda: 0.0)
    yield one
    one.close()


def make_webhook(url: str, **fields: Any) -> Webhook:
    return Webhook.objects.create(
        **{"url": url, "secret": new_secret(), "created_by": "olga", "created_at": NOW, **fields}
    )


@dataclass(frozen=True, kw_only=True)
class AnEvent:
    stream: UUID = field(default_factory=uuid4)
    seq: int = 1
    epoch: int = 1
    id: UUID = field(default_factory=uuid4)
    type: str = "step.completed"
    audience: str = Audience.PUBLIC
    data: dict[str, Any] = field(default_factory=lambda: {"title": "Ein Brief – mit Umlauten: äöü"})

    @property
    def envelope(self) -> dict[str, Any]:
        return {
            "v": 1,
            "seq": self.seq,
            "id": str(self.id),
            "type": self.type,
            "run": str(self.stream),
            "step": "write",
            "attempt": 1,
            "time": "2026-11-22T09:31:04.512Z",
            "data": self.data,
        }


def make_delivery(webhook: Webhook, **fields: Any) -> Delivery:
    clock, event = FakeClock(), AnEvent(**fields)
    clock.moment = NOW
    assert enqueue(event, clock=clock)
    return Delivery.objects.get(webhook=webhook, event_id=event.id)
