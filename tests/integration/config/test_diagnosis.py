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


def test_webhooks_that_were_switched_off_or_that_nobody_delivers_are_told():
    assert diagnosis._webhooks() == "0 active"
    webhook = make_webhook("https://hooks.example.com/secret", description="Billing")
    assert diagnosis._webhooks() == "1 active"
    make_delivery(webhook)
    with pytest.raises(RuntimeError, match="does `webhooks` run"):
        diagnosis._webhooks()
    webhook.disabled_at, webhook.is_active = timezone.now(), False
    webhook.save()
    with pytest.raises(RuntimeError, match="Billing"):
        diagnosis._webhooks()
