"""Start-up shared by `manage.py up` and `demo`: from an empty data folder to a system that answers."""

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from socket import gethostname

from django.conf import settings
from django.core.management import call_command
from django.db import Error as DatabaseError

from config import redis_server
from config.conf import STARTING, conf
from config.data_folder import (
    DataFolder,
    DataFolderError,
    complete_values,
    embedded_port,
    given_values,
    read_values,
    write_values,
)
from config.interrupts import Interrupts
from config.people import Login, ensure_people
from config.ports import PortError, free_port, is_free, require_free
from config.readiness import Say, StartError, wait_until_ready
from config.redaction import clean_text
from config.supervisor import Program, Supervisor, read_procfile

# Relative to the checkout, as people type it.
SAMPLE = Path("documents/samples/lease-agreement.pdf")

# What stands in the way of a start and is told as a sentence, without a traceback.
REFUSALS = (StartError, PortError, DataFolderError)


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where the web server and Flower listen."""

    host: str
    port: int
    flower_host: str
    flower_port: int

    @classmethod
    def configured(cls) -> "Address":
        """From HOST, PORT, FLOWER_HOST, FLOWER_PORT. Raises StartError for a port that is no number."""
        return cls(
            host=setting("HOST"),
            port=_port("PORT"),
            flower_host=setting("FLOWER_HOST"),
            flower_port=_port("FLOWER_PORT"),
        )

    @classmethod
    def private(cls) -> "Address":
        """Loopback, at free ports where PORT and FLOWER_PORT do not name one."""
        loopback = STARTING["HOST"]
        return cls(
            host=loopback,
            port=_port("PORT") if "PORT" in os.environ else free_port(loopback),
            flower_host=loopback,
            flower_port=_port("FLOWER_PORT") if "FLOWER_PORT" in os.environ else free_port(loopback),
        )

    @property
    def url(self) -> str:
        return f"http://{_for_browser(self.host)}:{self.port}"

    @property
    def flower_url(self) -> str:
        return f"http://{_for_browser(self.flower_host)}:{self.flower_port}"

    def variables(self) -> dict[str, str]:
        return {
            "HOST": self.host,
            "PORT": str(self.port),
            "FLOWER_HOST": self.flower_host,
            "FLOWER_PORT": str(self.flower_port),
        }


@dataclass(frozen=True, kw_only=True)
class System:
    """A running Longhaul. `logins`: by user name."""

    url: str
    flower_url: str
    logins: Mapping[str, Login]
    flower_login: Login
    supervisor: Supervisor


@contextlib.contextmanager
def running_system(folder: DataFolder, address: Address, *, say: Say) -> Iterator[System]:
    """All processes of the Procfile on an embedded or given Redis, ready; stopped at the end of the block.

    Raises one of REFUSALS when it cannot start; on a signal KeyboardInterrupt, after everything has stopped.
    """
    folder.make()
    with Interrupts() as interrupts, folder.held(url=address.url):
        require_free(address.host, address.port, setting="PORT")
        require_free(address.flower_host, address.flower_port, setting="FLOWER_PORT")
        environment, embedded = prepare_environment(folder)
        environment |= address.variables()
        logins = _prepare_database(folder, environment)
        say("database ready")
        supervisor = Supervisor(
            programs=[*embedded, *read_procfile(settings.BASE_DIR / "Procfile")],
            environment=environment,
            logs=folder.logs,
            folder=settings.BASE_DIR,
            say=say,
        )
        interrupts.at_once = supervisor.hurry
        urls = {"web": f"{address.url}/healthz", "flower": address.flower_url}
        with _stopped(supervisor, interrupts, say=say):
            supervisor.start()
            say(f"started {', '.join(supervisor.names())}; waiting until they answer")
            wait_until_ready(supervisor, environment, urls=urls, say=say)
            yield System(
                url=address.url,
                flower_url=address.flower_url,
                logins=logins,
                flower_login=Login(*environment["FLOWER_BASIC_AUTH"].split(":", 1)),
                supervisor=supervisor,
            )


@contextlib.contextmanager
def _stopped(supervisor: Supervisor, interrupts: Interrupts, *, say: Say) -> Iterator[None]:
    """Stops everything at the end of the block, and is not interrupted while it does.

    Two nested ends: the one KeyboardInterrupt that there can be may come as the inner one begins.
    """
    try:
        try:
            yield
        finally:
            interrupts.stopping()
            say("stopping")
    finally:
        supervisor.stop()


def prepare_environment(folder: DataFolder) -> tuple[dict[str, str], list[Program]]:
    """The environment of every process, and the embedded Redis unless the user gave a REDIS_URL.

    The user's environment wins over the data folder's file, which gets every secret that is missing.
    """
    saved = read_values(folder.env_file)
    given = given_values(os.environ, saved=saved)
    own_redis = "REDIS_URL" not in given and ("REDIS_URL" not in saved or embedded_port(saved) > 0)
    values = complete_values(saved, redis_port=_redis_port(saved) if own_redis else 0)
    if values != saved:
        write_values(folder.env_file, values)
    environment = {**values, **given, "LONGHAUL_DATA_DIR": str(folder.root)}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{given.get('PATH', os.defpath)}"
    # A broker that two checkouts share must not see the same node name twice.
    environment.setdefault(
        "NODE_NAME", f"{gethostname()}.{sha256(str(folder.root).encode()).hexdigest()[:8]}"
    )
    if not own_redis:
        _ask_redis(environment)
        return environment, []
    argv = redis_server.command(folder.redis, port=embedded_port(values), password=values["REDIS_PASSWORD"])
    return environment, [Program(name="redis", argv=argv, outlives=True)]


def _ask_redis(environment: Mapping[str, str]) -> None:
    """A server that somebody else runs is there already, or nothing of ours can work. Raises StartError."""
    for name in ("REDIS_URL", "BROKER_URL"):
        address = environment.get(name, "")
        if address.startswith("redis") and not redis_server.answers(address):
            raise StartError(f"Redis does not answer at {clean_text(address)}. Look at {name}.")


def _redis_port(saved: Mapping[str, str]) -> int:
    """The configured port (or PortError), else the one of last time, else a free one."""
    configured, former = conf().redis_port, embedded_port(saved)
    if former:
        # Left over from a launcher that was killed where no kernel ended its children.
        redis_server.shut_down(saved["REDIS_URL"])
    if configured:
        require_free(redis_server.HOST, configured, setting="LONGHAUL_REDIS_PORT")
        return configured
    return former if former and is_free(redis_server.HOST, former) else free_port(redis_server.HOST)


def _prepare_database(folder: DataFolder, environment: Mapping[str, str]) -> dict[str, Login]:
    try:
        with (folder.logs / "migrate.log").open("a") as log:
            call_command("migrate", interactive=False, stdout=log, stderr=log)
        return ensure_people(environment)
    except DatabaseError as error:
        reason = clean_text(str(error)).strip()
        raise StartError(f"The database does not answer: {reason}\nLook at DATABASE_URL.") from None


def setting(name: str) -> str:
    """A variable of the Procfile, or its default."""
    return os.environ.get(name) or STARTING[name]


def _port(name: str) -> int:
    value = setting(name)
    if not value.isdecimal() or not 0 < int(value) < 65_536:
        raise StartError(f"{name}={value} is no port: it must be a number from 1 to 65535.")
    return int(value)


def _for_browser(host: str) -> str:
    """`host` as a browser on this machine writes it."""
    if host in {"0.0.0.0", "::"}:  # listening everywhere
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
