"""Frames that are kept for those who come in the middle; a Redis that is away, or says nothing."""

import socket
import time
from collections.abc import Iterator
from uuid import UUID

import pytest

from outbox import forgetting, frames, wire
from outbox.frames import Latest, forget_latest, read_latest, send_frame
from outbox.models import Audience
from outbox.nudge import breaker

RUN = UUID("0198c2f0-0000-7000-8000-000000000001")
KEPT = wire.latest(wire.shard_of(RUN), RUN)


def send(number: int, *, name: str = "write", audience: Audience = Audience.PUBLIC) -> bool:
    latest = Latest(name=name, frame={"whole": number}, ttl_seconds=60)
    return send_frame(RUN, {"news": number}, audience=audience, max_entries=100, latest=latest)


def test_the_news_are_sent_and_the_latest_is_kept_for_a_while(redis_client):
    assert send(1)
    assert send(2)
    assert send(3, name="check", audience=Audience.MEMBER)

    sent = [fields[b"e"] for _, fields in redis_client.xrange(wire.frames(wire.shard_of(RUN)))]
    assert sent == [b'{"news":1}', b'{"news":2}', b'{"news":3}']
    assert read_latest(RUN) == [("member", b'{"whole":3}'), ("public", b'{"whole":2}')]
    assert 0 < redis_client.ttl(KEPT) <= 60

    assert forget_latest(RUN, "write")
    assert read_latest(RUN) == [("member", b'{"whole":3}')]


def test_nothing_is_kept_of_a_run_that_is_forgotten(redis_client):
    send(1)
    forgetting.forget_published(RUN)

    assert not redis_client.exists(KEPT)


@pytest.fixture
def mute(settings, monkeypatch) -> Iterator[None]:
    """A server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        port = listening.getsockname()[1]
        monkeypatch.setattr(frames, "client", frames.client.__wrapped__)  # not the one of the others
        settings.REDIS_URL = f"redis://127.0.0.1:{port}/0"
        breaker.reset()
        yield
        breaker.reset()


def test_a_redis_that_says_nothing_costs_one_short_time_out_and_is_then_left_alone(mute):
    start = time.monotonic()
    assert [send(number) for number in range(1_000)] == [False] * 1_000
    assert not forget_latest(RUN, "write")
    assert read_latest(RUN) == []
    assert time.monotonic() - start < 0.9  # one try, or two where the machine is slow


def test_a_redis_that_is_away_fails_nobody(settings, monkeypatch):
    monkeypatch.setattr(frames, "client", frames.client.__wrapped__)
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    breaker.reset()
    assert not send(1)
    breaker.reset()
    assert read_latest(RUN) == []
    breaker.reset()
