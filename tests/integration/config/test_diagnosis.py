import pytest
import redis

from config import diagnosis

pytestmark = pytest.mark.django_db


def test_where_no_redis_answers_the_way_out_is_named(monkeypatch):
    monkeypatch.setattr(diagnosis, "client", lambda: redis.Redis(port=1, socket_connect_timeout=1))
    found = {answer.question: answer for answer in diagnosis.diagnose()}
    assert not found["redis"].is_well
    assert "`make up`" in found["redis"].text
    assert "REDIS_URL" in found["redis"].text
    assert found["database"].is_well
