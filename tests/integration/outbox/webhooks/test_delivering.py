import json
import threading
import time
from datetime import timedelta

import pytest
from django.db import OperationalError, connection

from outbox.failpoints import InjectedFailure, acting
from outbox.models import DeliveryState
from outbox.webhooks import OutsideWindow, verify
from outbox.webhooks import deliverer as deliverers
from outbox.webhooks.deliverer import Deliverer
from outbox.webhooks.deliveries import LEASE_SLACK_SECONDS, claim, settle
from outbox.webhooks.schedule import WAITS_SECONDS, Answer
from tests.integration.outbox.webhooks.conftest import make_delivery, make_webhook
from tests.integration.outbox.webhooks.receiver import receiving

pytestmark = pytest.mark.django_db(transaction=True)

LEASE_SECONDS = 5 + LEASE_SLACK_SECONDS


def refreshed(row):
    row.refresh_from_db()
    return row


def test_a_receiver_gets_the_event_signed_and_can_tell_a_replay(receiver, deliverer, clock):
    webhook = make_webhook(receiver.url())
    delivery = make_delivery(webhook)
    deliverer.drain()

    (got,) = receiver.got
    verified = verify(got.headers, got.body, [webhook.secret], now=clock.now().timestamp())
    assert verified.id == str(delivery.event_id) == json.loads(got.body)["id"]
    with pytest.raises(OutsideWindow):
        verify(got.headers, got.body, [webhook.secret], now=clock.now().timestamp() + 301)
    assert got.headers["content-type"] == "application/cloudevents+json"
    assert got.body == delivery.body.encode()
    assert got.path == "/hook"
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts, delivery.last_status) == (DeliveryState.DELIVERED, 1, 204)
    assert (delivery.due_at, delivery.finished_at) == (None, clock.now())


def test_a_delivery_that_fails_is_tried_at_the_moments_of_the_schedule_then_given_up(
    receiver, deliverer, clock, caplog
):
    receiver.status = 500
    webhook = make_webhook(receiver.url())
    delivery = make_delivery(webhook)
    tried = []
    for wait in (*WAITS_SECONDS, None):
        deliverer.drain()
        tried.append(clock.now())
        delivery.refresh_from_db()
        if wait is None:
            break
        assert delivery.due_at == clock.now() + timedelta(seconds=wait)
        clock.turn(wait - 1)
        deliverer.drain()
        assert len(receiver.got) == len(tried), "too early"
        clock.turn(1)
    assert len(receiver.got) == 10
    assert (delivery.state, delivery.last_error) == (DeliveryState.FAILED, "answered 500")
    assert {got.headers["webhook-id"] for got in receiver.got} == {str(delivery.event_id)}
    stamps = [int(got.headers["webhook-timestamp"]) for got in receiver.got]
    assert stamps == [int(moment.timestamp()) for moment in tried], "each try is signed anew"
    assert "delivery given up" in caplog.text


def test_retry_after_is_obeyed(receiver, deliverer, clock):
    receiver.answers = [(429, {"Retry-After": "1000"})]
    delivery = make_delivery(make_webhook(receiver.url()))
    deliverer.drain()
    assert refreshed(delivery).due_at == clock.now() + timedelta(seconds=1_000)
    clock.turn(1_000)
    deliverer.drain()
    assert refreshed(delivery).state == DeliveryState.DELIVERED


def test_who_dies_between_post_and_settling_leaves_a_delivery_that_is_sent_again_with_the_same_id(
    receiver, clock
):
    delivery = make_delivery(make_webhook(receiver.url()))

    def die() -> None:
        raise InjectedFailure

    dying = Deliverer(clock=clock)
    with acting("outbox.webhooks.posted", die), pytest.raises(InjectedFailure):
        dying.drain()
    other = Deliverer(clock=clock)
    other.drain()
    assert len(receiver.got) == 1, "its lease still holds"
    clock.turn(LEASE_SECONDS)
    other.drain()
    assert [got.headers["webhook-id"] for got in receiver.got] == [str(delivery.event_id)] * 2
    assert (refreshed(delivery).state, delivery.attempts) == (DeliveryState.DELIVERED, 2)
    dying.close()
    assert refreshed(delivery).attempts == 2, "what the dead one knew is worth nothing now"
    other.close()


def test_a_late_settler_writes_nothing(receiver, clock):
    webhook = make_webhook(receiver.url())
    delivery = make_delivery(webhook)
    (late,) = claim(busy={}, free=1, clock=clock)
    clock.turn(LEASE_SECONDS)
    (current,) = claim(busy={}, free=1, clock=clock)
    assert not settle(late, Answer(status=410), clock=clock, roll=0.0)
    assert refreshed(webhook).is_active
    assert settle(current, Answer(status=200), clock=clock, roll=0.0)
    assert not settle(current, Answer(status=500), clock=clock, roll=0.0)
    assert refreshed(delivery).state == DeliveryState.DELIVERED


def test_two_processes_never_have_the_same_delivery_at_once(receiver, clock, settings):
    settings.LONGHAUL = {**settings.LONGHAUL, "WEBHOOK_CONCURRENCY_EACH": 100}
    webhook = make_webhook(receiver.url())
    for seq in range(40):
        make_delivery(webhook, seq=seq + 1)
    taken: list[int] = []
    begin = threading.Barrier(4)

    def take() -> None:
        begin.wait()
        try:
            while mine := claim(busy={}, free=3, clock=clock):
                taken.extend(claimed.delivery_id for claimed in mine)
        finally:
            connection.close()

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == len(set(taken)) == 40


def test_a_receiver_that_hangs_holds_up_no_other(receiver, clock, settings):
    settings.LONGHAUL = {**settings.LONGHAUL, "WEBHOOK_CONCURRENCY_EACH": 2, "WEBHOOK_TIMEOUT_SECONDS": 3}
    hang = threading.Event()
    with receiving() as stuck:
        stuck.on_request = lambda: hang.wait(10)
        slow, fast = make_webhook(stuck.url()), make_webhook(receiver.url())
        for seq in range(20):
            make_delivery(slow, seq=seq + 1)
        deliverer, stop = Deliverer(clock=clock, roll=lambda: 0.0), threading.Event()
        began = time.monotonic()

        def release() -> None:
            while len(receiver.got) < 20 and time.monotonic() < began + 10:
                time.sleep(0.01)
            stop.set()

        watch = threading.Thread(target=release)
        watch.start()
        deliverer.run(stop)
        watch.join()
        hang.set()
        assert fast.deliveries.filter(state=DeliveryState.DELIVERED).count() == 20
        assert stuck.most_at_once <= 2


def test_receivers_that_answer_late_hold_up_no_other(receiver, clock):
    hold = threading.Event()
    with receiving() as late:
        late.on_request = lambda: hold.wait(20)
        first, _second = (make_webhook(late.url(), types=["late.*"]) for _ in range(2))
        for seq in range(4):
            make_delivery(first, type="late.one", seq=seq + 1)  # for both: as many as there are threads
        deliverer = Deliverer(clock=clock)
        deliverer.turn()
        make_delivery(make_webhook(receiver.url()), type="quick.one")
        deadline = time.monotonic() + 10
        while not receiver.got and time.monotonic() < deadline:
            deliverer.turn()
            time.sleep(0.02)
        still_held, told = not hold.is_set(), len(receiver.got)
        hold.set()
        deliverer.close(grace_seconds=5)
    assert (still_held, told) == (True, 1)


def test_a_webhook_whose_last_try_failed_gets_one_try_at_a_time(receiver, clock):
    webhook = make_webhook(receiver.url(), failures=1, failing_since=clock.now())
    for seq in range(5):
        make_delivery(webhook, seq=seq + 1)
    assert len(claim(busy={}, free=8, clock=clock)) == 1
    assert claim(busy={webhook.pk: 1}, free=8, clock=clock) == []


def test_a_delivery_that_cannot_be_settled_does_not_keep_others_from_it(
    receiver, deliverer, clock, monkeypatch, caplog
):
    webhook = make_webhook(receiver.url())
    broken, sound = make_delivery(webhook), make_delivery(webhook, seq=2)

    def settle_or_fail(claimed, *rest, **more):
        if claimed.delivery_id == broken.pk:
            raise ValueError("of no kind that anybody expects")
        return settle(claimed, *rest, **more)

    monkeypatch.setattr(deliverers, "settle", settle_or_fail)
    deliverer.drain()
    assert refreshed(sound).state == DeliveryState.DELIVERED
    assert refreshed(broken).state == DeliveryState.PENDING
    assert "delivery not settled" in caplog.text


def test_while_the_database_is_away_an_answer_is_kept_and_settled_later(receiver, deliverer, monkeypatch):
    delivery = make_delivery(make_webhook(receiver.url()))
    troubles = [OperationalError("away")]

    def settle_later(*all, **more):
        if troubles:
            raise troubles.pop()
        return settle(*all, **more)

    monkeypatch.setattr(deliverers, "settle", settle_later)
    with pytest.raises(OperationalError):
        deliverer.drain()
    deliverer.drain()
    assert len(receiver.got) == 1
    assert refreshed(delivery).state == DeliveryState.DELIVERED
