"""Fixtures for all rooms: a clock to turn, factories for state, a private Redis."""

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import redis
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from pytest_django import DjangoDbBlocker

from config.redis_server import running_redis
from outbox.nudge import breaker
from tests import emitted
from tests.settings import REDIS_PORT, release_redis_port
from workflows.testing import FakeClock

pytest_plugins = ["workflows.testing.plugin"]

# A busy machine is slow, which is no fault of a rule; and a suite that draws other examples each time fails at random.
hypothesis.settings.register_profile(
    "suite",
    deadline=None,
    derandomize=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("suite")

# Quick ones first; the browser's last, since its driver keeps an event loop in the main thread to the end.
LADDER = ("unit", "integration", "", "acceptance", "browser")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # What touches no database is the same on both: it runs on the first.
    if connection.vendor == "postgresql":
        elsewhere = [item for item in items if not _has_database(item)]
        items[:] = [item for item in items if _has_database(item)]
        config.hook.pytest_deselected(items=elsewhere)

    def rung(item: pytest.Item) -> int:
        here = Path(__file__).parent  # tests of an app of yours may be collected beside ours
        folder = item.path.relative_to(here).parts[0] if item.path.is_relative_to(here) else ""
        return LADDER.index(folder if folder in LADDER else "")

    items.sort(key=rung)


def _has_database(item: pytest.Item) -> bool:
    fixtures = {"db", "transactional_db", "live_server"} & set(getattr(item, "fixturenames", ()))
    return bool(fixtures) or item.get_closest_marker("django_db") is not None


@pytest.fixture(scope="session", autouse=True)
def _every_event_checked() -> Iterator[None]:
    with emitted.every_event_checked():
        yield


@pytest.fixture(autouse=True)
def _no_event_beside_its_schema(_every_event_checked: None) -> Iterator[None]:
    yield
    assert not (faults := emitted.told()), faults


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """As pytest-django's; at the end threads that tests left behind may still have a session, and no database is
    dropped from under one.
    """
    yield
    with django_db_blocker.unblock():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Redis-protocol server at settings.REDIS_URL, for the session."""
    folder: Path = tmp_path_factory.mktemp("redis")
    release_redis_port()
    with running_redis(folder, port=REDIS_PORT) as address:
        assert address == settings.REDIS_URL
        yield address


@pytest.fixture
def redis_client(redis_server: str) -> Iterator["redis.Redis"]:
    """The server, empty."""
    client = redis.Redis.from_url(redis_server, socket_timeout=5)
    client.flushall()
    breaker.reset()  # tests without a server may just have tripped it
    yield client
    client.close()


@pytest.fixture
def owner(db: None) -> User:
    return User.objects.create_user("anna", password="anna-password")


@pytest.fixture
def stranger(db: None) -> User:
    return User.objects.create_user("bert", password="bert-password")


@pytest.fixture
def operator(db: None) -> User:
    return User.objects.create_superuser("olga", password="olga-password")
