import pytest
from django.test import Client


def test_liveness_asks_nobody(client: Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}


@pytest.mark.django_db
@pytest.mark.usefixtures("redis_server")
def test_a_process_with_database_and_redis_is_ready(client: Client) -> None:
    answer = client.get("/readyz")

    assert (answer.status_code, answer.json()["redis"]) == (200, "ok")


@pytest.mark.django_db
def test_without_redis_it_is_not_ready_and_says_so(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    import redis

    from config import health

    monkeypatch.setattr(health, "client", lambda: redis.Redis(port=1, socket_connect_timeout=1))

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json() == {"status": "not ready", "database": "ok", "redis": "away"}
