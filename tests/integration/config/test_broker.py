from pathlib import Path

import pytest
from celery import Celery
from kombu import Connection, Exchange, Queue

from config.broker import transport_for
from config.redis_server import running_redis


def test_a_worker_outlives_its_broker(tmp_path: Path) -> None:
    """As Celery does it after a cut: it collects, then closes."""
    _at_work_when_the_broker_ends(tmp_path, transport=None).close()


def test_with_kombus_own_transport_it_ends(tmp_path: Path) -> None:
    """When this fails, kombu or Celery has been mended, and `config.broker` is needed no more."""
    connection = _at_work_when_the_broker_ends(tmp_path, transport="redis")
    with pytest.raises(AttributeError):
        connection.close()


def _at_work_when_the_broker_ends(folder: Path, *, transport: str | None) -> Connection:
    """A worker's connection: one message is at work, the next is waited for, commands too; then the broker is gone."""
    with running_redis(folder) as address:
        app = Celery("test", set_as_current=False)
        connection = app.connection(address, transport=transport or transport_for(address))
        app.send_task("any", connection=connection)
        channel = connection.default_channel
        channel.basic_consume("celery", False, lambda message: None, "steps")
        connection.drain_events(timeout=5)
        commands = Queue("commands", Exchange("commands", type="fanout"), auto_delete=True)
        commands(connection.channel()).declare()
        channel._brpop_start()
    connection.collect(socket_timeout=1)
    return connection


def test_another_broker_than_redis_keeps_its_own_transport() -> None:
    assert transport_for("amqp://rabbit") is None
    assert transport_for("rediss://:password@host:6379/0") == "config.broker:Transport"
