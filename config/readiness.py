"""Waiting until what was started really serves, and saying why when it does not."""

import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from celery import Celery

from config import redis_server
from config.conf import conf
from config.supervisor import Supervisor

POLL_SECONDS = 0.1
ANSWER_SECONDS = 2.0
WORKERS = ("worker", "worker-llm", "relay")
# So many deaths in a row are no accident: better said now than after the time limit.
HOPELESS_DEATHS = 3
LOG_LINES_SHOWN = 12
# What is asked runs on this machine: a proxy of the environment would answer for it.
DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))

Say = Callable[[str], None]


class StartError(Exception):
    """Longhaul could not start. The message says why, and what to do."""


def wait_until_ready(
    supervisor: Supervisor, environment: Mapping[str, str], *, urls: Mapping[str, str], say: Say
) -> None:
    """Ask Redis, the workers and `urls` (by program name) until each has answered. Raises StartError."""
    redis_url = environment["REDIS_URL"]
    broker_url = environment.get("BROKER_URL", redis_url)
    questions: dict[str, Callable[[], bool]] = {"redis": partial(redis_server.answers, redis_url)}
    questions |= {name: partial(serves, url) for name, url in urls.items()}
    questions |= {name: partial(works, broker_url, f"{name}@{environment['NODE_NAME']}") for name in WORKERS}
    patience = conf().ready_timeout_seconds
    deadline = time.monotonic() + patience
    for name, has_answered in questions.items():
        while not has_answered():
            _refuse_hopeless(supervisor)
            if time.monotonic() >= deadline:
                slow = f"has not answered in {patience:g} s (LONGHAUL_READY_TIMEOUT_SECONDS)"
                raise StartError(_complaint(name, slow, supervisor))
            time.sleep(POLL_SECONDS)
        say(f"{name} ready")


def serves(url: str) -> bool:
    """Whether a web server answers there, be it with a demand for a password."""
    try:
        with DIRECTLY.open(url, timeout=ANSWER_SECONDS) as response:
            return bool(response.status < 500)
    except urllib.error.HTTPError as error:
        with error:
            return error.code < 500
    except OSError:
        return False


def works(broker_url: str, node: str) -> bool:
    """Whether the Celery worker of this node name answers a ping through the broker."""
    with Celery("longhaul", broker=broker_url, set_as_current=False) as app:
        try:
            return bool(app.control.ping(destination=[node], timeout=ANSWER_SECONDS, limit=1))
        except app.connection().connection_errors:
            return False


def _refuse_hopeless(supervisor: Supervisor) -> None:
    for name in supervisor.names():
        if supervisor.deaths_in_a_row(name) >= HOPELESS_DEATHS:
            raise StartError(_complaint(name, "ends again and again", supervisor))


def _complaint(name: str, what: str, supervisor: Supervisor) -> str:
    log = supervisor.log_of(name)
    return f"{name} {what}. The end of its log, {log}:\n{last_lines(log)}"


def last_lines(path: Path, count: int = LOG_LINES_SHOWN) -> str:
    """The last lines of a log, indented; empty when there is none."""
    lines = path.read_text(errors="replace").splitlines()[-count:] if path.is_file() else []
    return "\n".join(f"  {line}" for line in lines)
