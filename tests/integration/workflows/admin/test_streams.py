"""The list of streams: how the outbox is doing, and another try for what could not be published."""

from datetime import timedelta

import pytest
import redis
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import transaction
from django.utils import timezone
from redis.backoff import NoBackoff
from redis.retry import Retry

from outbox import wire
from outbox.append import append
from outbox.clock import CLOCK
from outbox.models import Stream
from outbox.publisher import RedisPublisher
from outbox.relay import drain
from tests.factories import make_run, messages

pytestmark = pytest.mark.django_db(transaction=True)

STREAMS = "/admin/outbox/stream/"


def stuck_run(owner, *, seconds_ago: float = 1):
    run = make_run(owner)
    with transaction.atomic():
        append(run.pk, messages(3), now=timezone.now() - timedelta(seconds=seconds_ago))
    Stream.objects.filter(key=run.pk).update(failures=6, retry_at=timezone.now() + timedelta(hours=1))
    return run


def try_again(client, *runs):
    chosen = [str(run.pk) for run in runs]
    return client.post(STREAMS, {"action": "requeue_streams", "_selected_action": chosen}, follow=True)


def test_the_list_says_how_much_waits_for_how_long_and_what_needs_a_human(admin, owner, redis_client):
    stuck_run(owner, seconds_ago=600)

    text = admin.get(STREAMS).content.decode()

    assert "3 entries of 1 streams wait, the oldest for 10 min" in text
    assert "the oldest entry waits for 60" in text
    assert "1 streams cannot be published" in text


def test_the_list_says_when_something_was_published_last(admin, owner, redis_client):
    stuck_run(owner)
    Stream.objects.update(failures=0, retry_at=None)
    drain(RedisPublisher(redis_client), clock=CLOCK)

    text = admin.get(STREAMS).content.decode()

    assert "nothing waits; last publish 0." in text
    assert "errorlist" not in text


def test_while_redis_is_away_the_list_says_so(admin, owner, monkeypatch):
    away = redis.Redis(host="127.0.0.1", port=1, retry=Retry(NoBackoff(), 0))
    monkeypatch.setattr("workflows.admin.streams.client", lambda **_: away)
    stuck_run(owner)
    assert "Redis does not answer: entries wait" in admin.get(STREAMS).content.decode()


def test_an_operator_has_a_stream_tried_again_at_once(admin, owner, redis_client):
    run, other = stuck_run(owner), stuck_run(owner)
    redis_client.flushall()

    text = try_again(admin, run).content.decode()

    assert "1 of 1 are tried again at once" in text
    assert Stream.objects.get(key=run.pk).failures == 0
    assert Stream.objects.get(key=other.pk).failures == 6
    assert redis_client.lrange(wire.wake(wire.shard_of(run.pk)), 0, -1) == [str(run.pk).encode()]


def test_one_action_takes_so_many_streams_at_most_and_says_who_did_it(admin, owner, redis_client, settings):
    settings.LONGHAUL = {**settings.LONGHAUL, "ADMIN_BULK_MAX": 2}
    runs = [stuck_run(owner) for _ in range(3)]

    text = try_again(admin, *runs).content.decode()

    assert "2 of 2 are tried again at once" in text
    assert Stream.objects.filter(failures=0).count() == 2
    told = LogEntry.objects.values_list("object_id", "change_message")
    done = Stream.objects.filter(failures=0).values_list("key", flat=True)
    assert set(told) == {(str(key), "Tried again at once.") for key in done}


def test_who_may_only_look_may_not_requeue(looking, viewer, owner, redis_client):
    viewer.user_permissions.add(Permission.objects.get(codename="view_stream"))
    run = stuck_run(owner)
    assert "requeue_streams" not in looking.get(STREAMS).content.decode()

    try_again(looking, run)

    assert Stream.objects.get(key=run.pk).failures == 6
