import json
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import transaction

from outbox.consumers import line_up_deliveries
from outbox.forgetting import forget_deliveries, forget_stream
from outbox.models import Audience, Delivery, DeliveryState
from outbox.webhooks.deliveries import enqueue
from tests.factories import NOW, make_stream
from tests.integration.outbox.webhooks.conftest import AnEvent, make_delivery, make_webhook

URL = "https://hooks.example.com/in"

pytestmark = pytest.mark.django_db


def told(webhook) -> list[str]:
    return sorted(webhook.deliveries.values_list("type", flat=True))


def test_an_event_becomes_one_delivery_for_each_webhook_that_wants_it(clock):
    everything, runs, one = (
        make_webhook(URL),
        make_webhook(URL, types=["run.*"]),
        make_webhook(URL, types=["step.failed"]),
    )
    off = make_webhook(URL, is_active=False)
    for type_ in ("run.completed", "step.completed", "running", "step.failed"):
        enqueue(AnEvent(type=type_), clock=clock)
    assert told(everything) == ["run.completed", "running", "step.completed", "step.failed"]
    assert told(runs) == ["run.completed"]
    assert told(one) == ["step.failed"]
    assert told(off) == []


@pytest.mark.parametrize(
    ("limit", "heard"),
    [
        (Audience.PUBLIC, ["a.public"]),
        (Audience.MEMBER, ["a.member", "a.public"]),
        (Audience.OPERATOR, ["a.member", "a.operator", "a.public"]),
    ],
)
def test_a_webhook_hears_nothing_above_its_audience(clock, limit, heard):
    webhook = make_webhook(URL, audience=limit)
    for audience in Audience:
        enqueue(AnEvent(type=f"a.{audience.value}", audience=audience), clock=clock)
    assert told(webhook) == heard


def test_by_default_nothing_for_operators_leaves_the_house(clock):
    webhook = make_webhook(URL)
    assert enqueue(AnEvent(audience=Audience.OPERATOR), clock=clock) == 0
    assert told(webhook) == []


def test_a_new_webhook_is_not_told_what_happened_before_it_was_registered(clock):
    make_webhook(URL, created_at=NOW + timedelta(days=1))
    assert enqueue(AnEvent(), clock=clock) == 0


def test_the_same_event_told_twice_is_one_delivery(clock):
    webhook, event = make_webhook(URL), AnEvent()
    for epoch in (1, 2):
        enqueue(replace(event, epoch=epoch), clock=clock)
    assert webhook.deliveries.count() == 1


def test_deliveries_share_the_fate_of_their_transaction(clock):
    make_webhook(URL)
    with transaction.atomic():
        enqueue(AnEvent(), clock=clock)
        transaction.set_rollback(True)
    assert not Delivery.objects.exists()


def test_the_body_is_the_event_as_others_know_it(clock):
    delivery = make_delivery(make_webhook(URL), seq=418)
    event = json.loads(delivery.body)
    assert event["id"] == str(delivery.event_id)
    assert event["source"] == f"/runs/{delivery.stream}"
    assert event["type"] == "dev.longhaul.step.completed.v1"
    assert event["sequence"] == "00000000000000000418"
    assert event["data"] == {"title": "Ein Brief – mit Umlauten: äöü"}


def test_an_event_too_large_to_send_is_kept_as_given_up_with_the_reason(clock, settings):
    settings.LONGHAUL = {**settings.LONGHAUL, "WEBHOOK_BODY_MAX_BYTES": 1_024}
    delivery = make_delivery(make_webhook(URL), data={"text": "x" * 2_000})
    assert delivery.state == DeliveryState.FAILED
    assert "WEBHOOK_BODY_MAX_BYTES" in delivery.last_error


def test_erasing_a_run_erases_what_was_to_be_told_of_it(clock):
    webhook = make_webhook(URL)
    gone, stays = make_delivery(webhook), make_delivery(webhook)
    forget_stream(gone.stream)
    assert list(Delivery.objects.all()) == [stays]


def test_an_event_in_a_consumers_hand_is_not_lined_up_after_its_run_was_erased():
    make_webhook(URL)
    event = AnEvent(stream=make_stream().key)  # read from Redis, not applied yet
    forget_stream(event.stream)
    line_up_deliveries(event)
    assert not Delivery.objects.exists()


def test_what_was_lined_up_while_its_run_was_erased_is_forgotten_in_the_second_pass():
    webhook = make_webhook(URL)
    gone, stays = make_delivery(webhook), make_delivery(webhook)
    forget_deliveries(gone.stream)
    assert list(Delivery.objects.all()) == [stays]
