from collections.abc import Iterator
from typing import Any
from uuid import uuid4

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
    return Webhook.objects.create(**{"url": url, "secret": new_secret(), "created_by": "olga", **fields})


def envelope(type_: str = "step.completed", *, seq: int = 1, **fields: Any) -> dict[str, Any]:
    plain = {
        "v": 1,
        "seq": seq,
        "id": str(uuid4()),
        "type": type_,
        "run": str(uuid4()),
        "step": "write",
        "attempt": 1,
        "time": "2026-11-22T09:31:04.512Z",
        "data": {"title": "Ein Brief – mit Umlauten: äöü"},
    }
    return {**plain, **fields}


def make_delivery(webhook: Webhook, **fields: Any) -> Delivery:
    clock = FakeClock()
    clock.moment = NOW
    told = envelope(**fields)
    assert enqueue(told, audience=Audience.PUBLIC, epoch=1, clock=clock)
    return Delivery.objects.get(webhook=webhook, event_id=told["id"])
