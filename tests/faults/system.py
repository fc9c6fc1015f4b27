"""A whole Longhaul of real processes, each behind a gate of its own where a fault may strike its database."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from config.ports import free_port
from config.redis_server import url as redis_url
from config.supervisor import Program, Supervisor
from tests.faults.flows import PROVIDER_VARIABLE
from tests.faults.gate import Gate
from tests.faults.postgres_server import Postgres, running_postgres_server
from tests.faults.programs import programs
from tests.faults.redis_server import PASSWORD, RedisServer, running_redis_server

ROOT = Path(__file__).parents[2]
START_SECONDS = 60.0
POLL_SECONDS = 0.02
# Whose database a fault can take away.
GATED = ("worker-a", "worker-b", "relay")
# As above, of programs that run in some cells only.
GUESTS = ("consumer", "webhooks")


class NeverHappened(Exception):
    """What a cell waited for did not come. The message says what."""


def wait_for(what: str, condition: Callable[[], object], *, seconds: float) -> None:
    """Raises NeverHappened."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            raise NeverHappened(f"{what}: not within {seconds:.0f} s")
        time.sleep(POLL_SECONDS)


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A process that came to an armed failpoint. `owner`: the program that it belongs to, empty when it is dead."""

    pid: int
    owner: str
    path: Path

    def go_on(self, action: str = "") -> None:
        """End its wait; `action` is what it does then: nothing, `kill`, `stop`, `clock:3600` …"""
        draft = self.path.with_name(f"{self.path.name}.draft")
        draft.write_text(action)
        draft.rename(self.path.with_name(f"{self.path.name}.go"))


class System:
    """The running processes, and what may be done to them.

    gates: of their databases, by program. redis_gates: `streams-of-relay` is the relay's, `broker` is everybody's way
    to the queues, `streams` what the others have else of Redis.
    """

    def __init__(
        self,
        supervisor: Supervisor,
        gates: dict[str, Gate],
        postgres: Postgres,
        redis: RedisServer,
        redis_gates: dict[str, Gate],
        folder: Path,
        *,
        scale: float,
    ) -> None:
        self.supervisor = supervisor
        self.gates = gates
        self.postgres = postgres
        self.redis = redis
        self.redis_gates = redis_gates
        self.points = folder / "points"
        self.scale = scale
        self.lease_seconds = 30.0 * scale

    def pid(self, program: str) -> int:
        wait_for(f"{program} running", lambda: program in self.supervisor.pids(), seconds=START_SECONDS)
        return self.supervisor.pids()[program]

    def children(self, program: str) -> list[int]:
        with contextlib.suppress(psutil.NoSuchProcess):
            return [child.pid for child in psutil.Process(self.pid(program)).children(recursive=True)]
        return []

    def signal(self, pid: int, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    def arm(self, point: str, action: str = "wait") -> None:
        """`point`: a failpoint's name, or `name@subject`. Whoever comes there first does `action`."""
        draft = self.points / f"draft.{point}"
        draft.write_text(action)
        draft.rename(self.points / point)

    def await_hit(self, point: str, *, seconds: float = 20.0) -> Hit:
        found: list[Path] = []

        def look() -> bool:
            paths = [path for path in self.points.iterdir() if path.name.startswith(f"{point}.hit-")]
            found[:] = [path for path in paths if path.suffix not in (".go", ".draft")]
            return bool(found)

        wait_for(f"somebody at {point}", look, seconds=seconds)
        pid = int(found[0].name.rpartition("-")[2])
        return Hit(pid=pid, owner=self.owner_of(pid), path=found[0])

    def await_stop(self, hit: Hit) -> None:
        """Until the process is stopped; what it did at the point is forgotten, so that another may be met there."""
        wait_for(
            "the process stopped",
            lambda: psutil.Process(hit.pid).status() == psutil.STATUS_STOPPED,
            seconds=5,
        )
        for path in [path for path in self.points.iterdir() if path.name.startswith(hit.path.name)]:
            path.unlink()

    def owner_of(self, pid: int) -> str:
        for name in GATED:
            if pid == self.supervisor.pids().get(name) or pid in self.children(name):
                return name
        return ""  # it has died of it

    def clear(self) -> None:
        """After a cell: whoever still waits or is stopped goes on, every gate is open, no fault is left."""
        for path in list(self.points.iterdir()):
            if ".hit-" not in path.name:
                path.unlink(missing_ok=True)
            elif path.suffix not in (".go", ".draft"):
                Hit(pid=0, owner="", path=path).go_on()
        self.postgres.heal()
        for gate in (*self.gates.values(), *self.redis_gates.values()):
            gate.heal()
        for name in GATED:
            for pid in [self.pid(name), *self.children(name)]:
                self.signal(pid, signal.SIGCONT)

    def forget_points(self) -> None:
        for path in list(self.points.iterdir()):
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def beside(system: System, *programs: Program) -> Iterator[None]:
    """More processes for a while, with the environment of the others."""
    supervisor = Supervisor(
        programs=programs,
        environment=system.supervisor.environment,
        logs=system.points.parent / "logs",
        folder=ROOT,
        say=lambda sentence: None,
    )
    with supervisor:
        yield


@contextlib.contextmanager
def running_system(folder: Path, *, scale: float) -> Iterator[System]:
    """Everything up, on a database and a Redis of its own, and this process's Django on them. `folder`: for logs."""
    points = folder / "points"
    points.mkdir(parents=True)
    web_port, provider_port = free_port("127.0.0.1"), free_port("127.0.0.1")
    with running_postgres_server() as postgres, running_redis_server(folder / "redis") as redis:
        environment = {
            "DJANGO_SETTINGS_MODULE": "tests.faults.settings",
            "LONGHAUL_DATA_DIR": str(folder),
            "LONGHAUL_TIME_SCALE": str(scale),
            "DATABASE_URL": postgres.url,
            # This process's own way to Redis; the others go through gates.
            "REDIS_URL": redis.url,
            "BROKER_URL": redis.url,
            # Half of the default: a half-open connection is found out by it, and each process has several.
            "LONGHAUL_BROKER_SOCKET_TIMEOUT_SECONDS": "1",
            # The receiver of webhooks is on this machine.
            "LONGHAUL_WEBHOOK_ALLOW_HTTP": "true",
            "LONGHAUL_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
            "SECRET_KEY": "a-key-for-the-fault-harness-that-signs-nothing-of-value",
            "LOG_LEVEL": "WARNING",
            "FAULTS_WEB": f"http://127.0.0.1:{web_port}",
            PROVIDER_VARIABLE: f"http://127.0.0.1:{provider_port}/effects",
        }
        # This process asks slowly, and the migrations are its own.
        os.environ.update({**environment, "DATABASE_SESSION_LIMITS": ""})
        _prepare()
        gates = {name: Gate(postgres.socket) for name in (*GATED, *GUESTS)}
        redis_gates = {name: Gate(redis.port) for name in ("streams", "streams-of-relay", "broker")}
        supervisor = Supervisor(
            programs=programs(
                gates, redis_gates["streams-of-relay"], web_port=web_port, provider_port=provider_port
            ),
            environment={
                **os.environ,
                "LOG_LEVEL": "INFO",
                "DATABASE_SESSION_LIMITS": _session_limits(scale),
                "REDIS_URL": redis_url(redis_gates["streams"].port, PASSWORD),
                "BROKER_URL": redis_url(redis_gates["broker"].port, PASSWORD),
                "LONGHAUL_FAILPOINTS_DIR": str(points),
            },
            logs=folder / "logs",
            folder=ROOT,
            say=lambda sentence: None,
        )
        with supervisor:
            system = System(supervisor, gates, postgres, redis, redis_gates, folder, scale=scale)
            _await(system)
            yield system


def _session_limits(scale: float) -> str:
    """Shrunk as leases are: a process that freezes in a transaction holds a run for a second."""
    return "-c idle_in_transaction_session_timeout={0} -c lock_timeout={0}".format(int(10_000 * scale))


def _prepare() -> None:
    import django

    django.setup()
    from django.contrib.auth.models import User
    from django.core.management import call_command

    call_command("migrate", interactive=False, verbosity=0)
    User.objects.create_superuser("olga", password="olga-password")


def _await(system: System) -> None:
    from tests.faults.people import is_up

    wait_for("the web server", is_up, seconds=START_SECONDS)
    for name in GATED[:2]:
        wait_for(
            f"the children of {name}",
            lambda name=name: len(system.children(name)) >= 2,
            seconds=START_SECONDS,
        )
