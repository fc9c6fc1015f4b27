"""The command lines of the harness's processes."""

import sys

from config.redis_server import url as redis_url
from config.supervisor import Program
from tests.faults.gate import Gate
from tests.faults.postgres_server import DATABASE, ROLE
from tests.faults.redis_server import PASSWORD

CELERY = ("-m", "celery", "--quiet", "--app", "config.celery")
QUIET = ("--without-gossip", "--without-mingle", "--without-heartbeat")


def _python(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, *arguments)


def _behind(gate: Gate, *argv: str, release: str = "new", redis: Gate | None = None) -> tuple[str, ...]:
    url = f"DATABASE_URL=postgres://{ROLE}@127.0.0.1:{gate.port}/{DATABASE}?sslmode=disable"
    # Few entries a batch: else the relay would have told a run of ours with one.
    streams = [f"REDIS_URL={redis_url(redis.port, PASSWORD)}", "LONGHAUL_RELAY_BATCH_SIZE=3"] if redis else []
    return ("/usr/bin/env", url, *streams, f"FAULTS_RELEASE={release}", *argv)


def worker_argv(name: str, gate: Gate, *, release: str = "new") -> tuple[str, ...]:
    argv = _python(*CELERY, "worker", "--queues", "default", "--pool", "prefork", "--concurrency", "2")
    return _behind(gate, *argv, "--hostname", f"{name}@faults", *QUIET, release=release)


def relay_argv(name: str, gate: Gate, redis: Gate | None = None) -> tuple[str, ...]:
    argv = _python(*CELERY, "worker", "--queues", "relay", "--pool", "threads", "--concurrency", "4")
    return _behind(gate, *argv, "--hostname", f"{name}@faults", *QUIET, redis=redis)


def manage_argv(gate: Gate, *arguments: str) -> tuple[str, ...]:
    """Without Django's checks, which would be a quarter of its start."""
    return _behind(gate, *_python("manage.py", *arguments, "--skip-checks"))


BEAT = _python(*CELERY, "beat", "--scheduler", "config.beat.Beat")


def programs(gates: dict[str, Gate], redis: Gate, *, web_port: int, provider_port: int) -> list[Program]:
    web = (
        "-m",
        "uvicorn",
        "config.asgi:application",
        "--port",
        str(web_port),
        "--lifespan",
        "on",
        "--no-access-log",
    )
    return [
        Program(name="provider", argv=_python("-m", "tests.faults.provider", str(provider_port))),
        Program(name="web", argv=_python(*web)),
        Program(name="worker-a", argv=worker_argv("worker-a", gates["worker-a"])),
        Program(name="worker-b", argv=worker_argv("worker-b", gates["worker-b"])),
        Program(name="relay", argv=relay_argv("relay", gates["relay"], redis)),
        Program(name="beat", argv=BEAT),
    ]
