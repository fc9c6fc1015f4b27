"""What happens to webhooks over days: they are switched off, get new secrets, and their past is cleared away."""

import pytest

from outbox.models import Delivery, DeliveryState
from outbox.webhooks import verify
from outbox.webhooks.deliveries import claim, purge, settle
from outbox.webhooks.registering import rotate, send_again
from outbox.webhooks.schedule import Answer
from tests.integration.outbox.webhooks.conftest import make_delivery, make_webhook

pytestmark = pytest.mark.django_db(transaction=True)


def refreshed(row):
    row.refresh_from_db()
    return row


def test_410_switches_the_webhook_off_at_once(receiver, deliverer, clock, caplog):
    receiver.answers = [(410, {})]
    webhook = make_webhook(receiver.url())
    gone = make_delivery(webhook)
    deliverer.drain()
    later = make_delivery(make_webhook("https://elsewhere.example/"))
    assert not webhook.deliveries.filter(event_id=later.event_id).exists()
    webhook.refresh_from_db()
    assert (webhook.is_active, webhook.disabled_at) == (False, clock.now())
    assert "410" in webhook.disabled_because
    assert refreshed(gone).state == DeliveryState.FAILED
    assert "webhook disabled" in caplog.text


def test_a_webhook_that_fails_for_five_days_is_switched_off_and_says_so(receiver, deliverer, clock, caplog):
    receiver.status = 503
    webhook = make_webhook(receiver.url())
    make_delivery(webhook)
    deliverer.drain()
    clock.turn(5 * 86_400 - 1)
    deliverer.drain()
    assert refreshed(webhook).is_active
    clock.turn(86_400)
    deliverer.drain()
    assert not refreshed(webhook).is_active
    assert webhook.failures == 3
    assert "webhook disabled" in caplog.text
    clock.turn(86_400)
    deliverer.drain()
    assert len(receiver.got) == 3, "nothing is sent to one that is off"


def test_a_success_gives_a_webhook_a_clean_record(receiver, deliverer, clock):
    receiver.answers = [(500, {})]
    webhook = make_webhook(receiver.url())
    make_delivery(webhook)
    deliverer.drain()
    assert (refreshed(webhook).failures, webhook.failing_since) == (1, clock.now())
    clock.turn(5)
    deliverer.drain()
    assert (refreshed(webhook).failures, webhook.failing_since) == (0, None)


def test_while_a_secret_is_replaced_both_sign_and_afterwards_the_new_one_alone(receiver, deliverer, clock):
    webhook = make_webhook(receiver.url())
    old = webhook.secret
    new = rotate(webhook.pk, clock=clock)
    make_delivery(webhook)
    deliverer.drain()
    now = clock.now().timestamp()
    for secret in (old, new):
        verify(receiver.got[0].headers, receiver.got[0].body, [secret], now=now)
    clock.turn(86_400)
    make_delivery(webhook)
    deliverer.drain()
    assert len(receiver.got[1].headers["webhook-signature"].split()) == 1
    verify(receiver.got[1].headers, receiver.got[1].body, [new], now=clock.now().timestamp())
    purge(clock=clock)
    assert (refreshed(webhook).previous_secret, webhook.previous_until) == ("", None)


def test_what_was_given_up_can_be_sent_again_with_all_its_tries(receiver, deliverer, clock):
    delivery = make_delivery(make_webhook(receiver.url()))
    Delivery.objects.update(
        state=DeliveryState.FAILED, due_at=None, finished_at=clock.now(), tries=10, attempts=10
    )
    assert send_again(Delivery.objects.all(), clock=clock) == 1
    deliverer.drain()
    assert (refreshed(delivery).state, delivery.tries, delivery.attempts) == (DeliveryState.DELIVERED, 1, 11)


def test_an_event_too_large_to_send_is_not_sent_again_until_the_limit_is_raised(
    clock, settings, receiver, deliverer
):
    usual = settings.LONGHAUL
    settings.LONGHAUL = {**usual, "WEBHOOK_BODY_MAX_BYTES": 1_024}
    make_delivery(make_webhook(receiver.url()), data={"text": "x" * 2_000})
    assert send_again(Delivery.objects.all(), clock=clock) == 0
    deliverer.drain()
    assert receiver.got == []
    settings.LONGHAUL = usual
    assert send_again(Delivery.objects.all(), clock=clock) == 1
    deliverer.drain()
    assert len(receiver.got) == 1


def test_deliveries_that_are_over_are_removed_after_a_while(receiver, deliverer, clock):
    webhook = make_webhook(receiver.url())
    make_delivery(webhook)
    deliverer.drain()
    clock.turn(14 * 86_400)
    assert purge(clock=clock) == 0
    waiting = make_delivery(webhook)
    clock.turn(1)
    assert purge(clock=clock) == 1
    assert list(Delivery.objects.all()) == [waiting]


def test_no_log_line_says_a_secret_or_more_of_an_address_than_its_host(receiver, deliverer, clock, caplog):
    caplog.set_level("DEBUG")
    receiver.answers = [(500, {}), (410, {})]
    webhook = make_webhook(f"{receiver.url()}?key=very-secret")
    make_delivery(webhook)
    deliverer.drain()
    clock.turn(5)
    (claimed,) = claim(busy={}, free=1, clock=clock)
    settle(claimed, Answer(status=410), clock=clock, roll=0.0)
    said = (
        caplog.text
        + repr(caplog.records)
        + repr([record.__dict__ for record in caplog.records])
        + repr(claimed)
    )
    assert "webhook disabled" in said
    assert "very-secret" not in said
    assert webhook.secret.removeprefix("whsec_") not in said
