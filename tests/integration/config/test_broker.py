from pathlib import Path

import pytest
from celery import Celery, current_app
from kombu import Connection, Exchange, Queue

from config.redis_server import running_redis


def test_a_worker_outlives_its_broker(tmp_path: Path) -> None:
    """As Celery does it after a cut: it collects, then closes."""
    _at_work_when_the_broker_ends(tmp_path, transport="redis").close()


def test_with_kombus_own_transport_it_ends(tmp_path: Path) -> None:
    """When this fails, kombu or Celery has been mended, and `config.broker` is needed no more."""
    connection = _at_work_when_the_broker_ends(tmp_path, transport="kombu.transport.redis:Transport")
    with pytest.raises(AttributeError):
        connection.close()


def _at_work_when_the_broker_ends(folder: Path, *, transport: str) -> Connection:
    """A worker's connection: one message is at work, the next is waited for, commands too; then the broker is gone."""
    with running_redis(folder) as address:
        app = Celery("test", set_as_current=False)
        connection = app.connection(address, transport=transport)
        app.send_task("any", connection=connection)
        channel = connection.default_channel
        channel.basic_consume("celery", False, lambda message: None, "steps")
        connection.drain_events(timeout=5)
        commands = Queue("commands", Exchange("commands", type="fanout"), auto_delete=True)
        commands(connection.channel()).declare()
        channel._brpop_start()
    connection.collect(socket_timeout=1)
    return connection


def test_addresses_are_shown_as_before() -> None:
    assert current_app.connection("redis://:secret@host:6379/0").as_uri() == "redis://:**@host:6379/0"
