"""`manage.py webhooks` as a process of its own: from a commit to a receiver, and what a `kill -9` costs."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings as configured
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.utils import timezone

from outbox.append import Message, append
from outbox.clock import CLOCK
from outbox.consumer import find
from outbox.consuming.loop import ConsumerLoop
from outbox.management.commands import webhooks as command
from outbox.models import Audience, Delivery, DeliveryState, Inbox
from outbox.publisher import RedisPublisher
from outbox.relay import drain
from outbox.webhooks import verify
from outbox.webhooks.deliverer import Deliverer
from outbox.webhooks.deliveries import LEASE_SLACK_SECONDS
from outbox.webhooks.registering import register
from tests.factories import make_stream
from tests.integration.outbox.webhooks.conftest import make_delivery, make_webhook
from tests.integration.outbox.webhooks.receiver import receiving

pytestmark = pytest.mark.django_db(transaction=True)

START_SECONDS = 40.0


def database_url() -> str:
    """Of the test's database."""
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    return urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()


@contextmanager
def process(folder: Path, **variables: str) -> Iterator["subprocess.Popen[bytes]"]:
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATABASE_URL": database_url(),
        "REDIS_URL": configured.REDIS_URL,
        "BROKER_URL": "memory://",
        "LONGHAUL_WEBHOOK_ALLOW_HTTP": "true",
        "LONGHAUL_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
        "LONGHAUL_TIME_SCALE": "0.1",
        **variables,
    }
    with (folder / "webhooks.log").open("ab") as log:
        running = subprocess.Popen(
            [sys.executable, "manage.py", "webhooks"],
            cwd=configured.BASE_DIR,
            env=environment,
            stdout=log,
            stderr=log,
        )
        try:
            yield running
        finally:
            running.kill()
            running.wait()


def wait_for(question: Callable[[], bool], *, what: str, seconds: float = START_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not question():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)


def test_what_is_committed_reaches_the_receiver_and_a_stop_ends_the_process(tmp_path, redis_client):
    with receiving() as receiver, process(tmp_path) as running:
        webhook = make_webhook(receiver.url(), types=["step.*"])
        wait_for(lambda: Inbox.objects.filter(consumer="webhooks").exists(), what="the consumer")
        stream = make_stream()
        with transaction.atomic():
            told = [
                Message(type=type_, payload={"title": "Miete"}, headers={"step": "write", "attempt": 1})
                for type_ in ("step.started", "run.completed", "step.completed")
            ]
            secret = Message(type="step.hidden", audience=Audience.OPERATOR)
            append(stream.key, [*told, secret], now=timezone.now())
        drain(RedisPublisher(redis_client), clock=CLOCK)
        wait_for(lambda: len(receiver.got) == 2, what="two events")
        events = [json.loads(got.body) for got in receiver.got]
        assert sorted(event["type"] for event in events) == [
            "dev.longhaul.step.completed.v1",
            "dev.longhaul.step.started.v1",
        ]
        for got in receiver.got:
            verify(got.headers, got.body, [webhook.secret], now=time.time())
        wait_for(
            lambda: Delivery.objects.filter(state=DeliveryState.DELIVERED).count() == 2, what="the settling"
        )
        running.send_signal(signal.SIGTERM)
        assert running.wait(20) == 0
        assert len(receiver.got) == 2


def test_the_first_webhook_is_told_what_happens_between_its_registering_and_the_process_that_serves_it(
    redis_client, receiver
):
    webhook, _ = register(receiver.url())
    time.sleep(0.05)
    stream = make_stream()
    with transaction.atomic():
        append(stream.key, [Message(type="run.completed")], now=timezone.now())
    drain(RedisPublisher(redis_client), clock=CLOCK)
    time.sleep(0.05)
    loop = ConsumerLoop(find("webhooks"), connection=redis_client)
    for _ in range(4):
        loop.turn()
    assert webhook.deliveries.count() == 1


def test_a_process_killed_between_post_and_settling_costs_one_lease_and_the_event_comes_again_under_its_id(
    tmp_path, redis_client
):
    with receiving() as receiver:
        delivery = make_delivery(make_webhook(receiver.url()))
        with process(tmp_path, LONGHAUL_FAILPOINTS="outbox.webhooks.posted=kill") as dying:
            assert dying.wait(START_SECONDS) == -signal.SIGKILL
        delivery.refresh_from_db()
        assert (len(receiver.got), delivery.state, delivery.attempts) == (1, DeliveryState.PENDING, 1)
        left = (delivery.due_at - timezone.now()).total_seconds()
        assert 0 < left <= 15 + LEASE_SLACK_SECONDS
        Delivery.objects.update(due_at=timezone.now())  # the lease is over
        with process(tmp_path):
            wait_for(lambda: len(receiver.got) == 2, what="the second try")
            wait_for(
                lambda: Delivery.objects.filter(state=DeliveryState.DELIVERED).exists(), what="the settling"
            )
    assert {got.headers["webhook-id"] for got in receiver.got} == {str(delivery.event_id)}


def test_a_deliverer_that_ends_by_an_error_ends_the_process(monkeypatch):
    """Else its consumer would go on lining up, and nobody would start anew what sends."""

    class Idle(ConsumerLoop):
        def turn(self) -> None:
            self._stopping.wait(0.05)

    def broken(self: Deliverer) -> None:
        raise RuntimeError("no such column")

    make_webhook("https://hooks.example.com/in")
    monkeypatch.setattr(command.signal, "signal", lambda *_: None)
    monkeypatch.setattr(command, "ConsumerLoop", Idle)
    monkeypatch.setattr(Deliverer, "turn", broken)
    with pytest.raises(RuntimeError):
        command.serve()
    assert [thread for thread in threading.enumerate() if thread.name == command.CONSUMER] == []


def said(*words: str) -> str:
    out = StringIO()
    call_command("webhooks", *words, stdout=out)
    return out.getvalue()


def test_a_test_event_is_signed_and_its_answer_told(receiver):
    webhook = make_webhook(receiver.url())
    assert said("test", str(webhook.pk)) == "127.0.0.1 answered 204\n"
    (got,) = receiver.got
    verified = verify(got.headers, got.body, [webhook.secret])
    event = json.loads(got.body)
    assert (event["type"], event["id"]) == ("dev.longhaul.webhook.test.v1", verified.id)
    assert not Delivery.objects.exists()


def test_a_test_that_reaches_nobody_says_why(settings):
    webhook = make_webhook("http://10.0.0.1/")
    with pytest.raises(CommandError, match="no address of the internet"):
        said("test", str(webhook.pk))
    with pytest.raises(CommandError, match="no webhook 4711"):
        said("test", "4711")


def test_a_test_that_is_answered_with_an_error_ends_with_an_error(receiver):
    receiver.status = 500
    webhook = make_webhook(receiver.url())
    with pytest.raises(CommandError, match=r"127\.0\.0\.1 answered 500"):
        said("test", str(webhook.pk))


def test_webhooks_are_listed_and_what_was_given_up_is_sent_again():
    webhook = make_webhook("https://hooks.example.com/secret-path", failures=3)
    make_delivery(webhook)
    make_delivery(webhook, seq=2)
    Delivery.objects.filter(seq=2).update(state=DeliveryState.FAILED, due_at=None, finished_at=timezone.now())
    listed = said("list")
    assert "hooks.example.com" in listed
    assert "1 waiting  1 given up  3 failures in a row" in listed
    assert "secret-path" not in listed
    assert said("send-again", str(webhook.pk)) == "1 in line again\n"
    assert Delivery.objects.filter(state=DeliveryState.PENDING).count() == 2
