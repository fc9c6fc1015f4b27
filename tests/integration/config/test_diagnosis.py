import pytest
import redis
from django.utils import timezone

from config import diagnosis
from tests.integration.outbox.webhooks.conftest import make_delivery, make_webhook

pytestmark = pytest.mark.django_db


def test_where_no_redis_answers_the_way_out_is_named(monkeypatch):
    monkeypatch.setattr(diagnosis, "client", lambda: redis.Redis(port=1, socket_connect_timeout=1))
    found = {answer.question: answer for answer in diagnosis.diagnose()}
    assert not found["redis"].is_well
    assert "`make up`" in found["redis"].text
    assert "REDIS_URL" in found["redis"].text
    assert found["database"].is_well


def said_of_webhooks():
    return {answer.question: answer for answer in diagnosis.diagnose()}["webhooks"]


def test_webhooks_that_were_switched_off_or_that_nobody_delivers_are_told(monkeypatch):
    monkeypatch.setattr(diagnosis, "client", lambda: redis.Redis(port=1, socket_connect_timeout=1))
    assert said_of_webhooks().text == "0 active"
    webhook = make_webhook("https://hooks.example.com/secret", description="Billing")
    assert said_of_webhooks().is_well
    make_delivery(webhook)
    assert "does `webhooks` run?" in said_of_webhooks().text
    webhook.disabled_at, webhook.is_active = timezone.now(), False
    webhook.save()
    answer = said_of_webhooks()
    assert "Billing" in answer.text
    assert not answer.is_well
    assert not answer.is_fatal
