"""A half item that is kept in Redis is forgotten, also if Redis did not answer for a while."""

from uuid import uuid4

import pytest

from workflows.engine.lease import Lease
from workflows.engine.retry import RetryPolicy
from workflows.services import partials
from workflows.services.partials import Partials
from workflows.states import AttemptKind
from workflows.telemetry import Trace


class Redis:
    """hears, answers: whether it does what it is told, and says so."""

    def __init__(self) -> None:
        self.hears = self.answers = True
        self.kept: dict[str, object] = {}

    def send_frame(self, key, frame, *, latest=None, **_) -> bool:
        if latest and self.hears:
            self.kept[latest.name] = frame
        return self.hears and self.answers

    def forget_latest(self, key, name) -> bool:
        if self.hears:
            self.kept.pop(name, None)
        return self.hears and self.answers


@pytest.fixture
def lease() -> Lease:
    return Lease(
        step_id=uuid4(),
        run_id=uuid4(),
        step_name="write",
        handler="write",
        workflow="test",
        version=1,
        token=uuid4(),
        kind=AttemptKind.FORWARD,
        number=1,
        policy=RetryPolicy(max_attempts=3, base=1, cap=10),
        trace=Trace(trace_id="1" * 32, span_id="1" * 16),
    )


@pytest.fixture
def redis(monkeypatch: pytest.MonkeyPatch) -> Redis:
    redis = Redis()
    for name in ("send_frame", "forget_latest"):
        monkeypatch.setattr(partials, name, getattr(redis, name))
    return redis


def test_what_was_committed_while_redis_was_away_is_forgotten_with_the_next_commit(redis, lease):
    half = Partials(lease)
    assert half.show(0, 1, [], {"text": "on"})
    redis.hears = False
    half.committed(1)
    redis.hears = True
    half.committed(1)

    assert redis.kept == {}


def test_what_redis_took_without_a_word_is_forgotten_too(redis, lease):
    half = Partials(lease)
    redis.answers = False
    assert not half.show(0, 1, [], {"text": "on"})
    redis.answers = True
    half.committed(1)

    assert redis.kept == {}
