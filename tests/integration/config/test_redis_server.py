from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from config.ports import free_port
from config.redis_server import (
    RedisNotReadyError,
    answers,
    command,
    running_redis,
    shut_down,
    url,
    wait_until_answers,
)


def test_data_is_kept_between_two_runs(tmp_path: Path) -> None:
    with running_redis(tmp_path) as address, redis.Redis.from_url(address) as client:
        client.xadd("run", {"seq": 1}, id="1-0")
    with running_redis(tmp_path) as address, redis.Redis.from_url(address) as client:
        assert client.xlen("run") == 1


def test_nobody_gets_in_without_the_password(tmp_path: Path) -> None:
    port = free_port()
    with running_redis(tmp_path, port=port, password="right") as address:
        assert answers(address)
        assert not answers(url(port, "wrong"))
        nobody = redis.Redis(port=port, retry=Retry(NoBackoff(), 0))
        with nobody as client, pytest.raises(redis.AuthenticationError):
            client.ping()


def test_it_listens_on_loopback_keeps_everything_and_evicts_nothing(tmp_path: Path) -> None:
    with running_redis(tmp_path) as address, redis.Redis.from_url(address, decode_responses=True) as client:
        assert client.config_get("bind", "appendonly", "maxmemory-policy") == {
            "bind": "127.0.0.1",
            "appendonly": "yes",
            "maxmemory-policy": "noeviction",
        }


def test_the_password_is_not_on_the_command_line(tmp_path: Path) -> None:
    argv = command(tmp_path / "redis", port=7001, password="canary")

    assert "canary" not in " ".join(argv)
    assert (tmp_path / "redis" / "valkey.conf").stat().st_mode & 0o077 == 0


def test_a_server_that_was_left_over_can_be_stopped(tmp_path: Path) -> None:
    with running_redis(tmp_path) as address:
        shut_down(address)
        assert not answers(address)
    shut_down(address)


def test_waiting_for_nobody_ends_with_a_sentence() -> None:
    with pytest.raises(RedisNotReadyError, match=r"did not answer within 0 s"):
        wait_until_answers(url(free_port(), "x"), seconds=0.1)
