import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings

from config.conf import STARTING
from config.supervisor import read_procfile

ROOT = Path(settings.BASE_DIR)
PROCESSES = ["web", "worker", "worker-llm", "relay", "beat", "fanout", "webhooks", "flower"]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def command_of(name: str, environment: dict[str, str]) -> list[str]:
    """The words of a process's command, as the shell expands them."""
    argv = {program.name: program.argv for program in read_procfile(ROOT / "Procfile")}[name]
    script = argv[-1].removeprefix("exec ")
    words = subprocess.run(
        ["/bin/sh", "-c", f"printf '%s\\n' {script}"],
        env={"PATH": os.defpath, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return words.stdout.splitlines()


def compose_environment(service: dict[str, Any]) -> dict[str, str]:
    return {name: value for name, value in service["environment"].items() if "$" not in value}


def test_the_procfile_has_the_eight_processes() -> None:
    assert [program.name for program in read_procfile(ROOT / "Procfile")] == PROCESSES


@pytest.mark.parametrize("name", PROCESSES)
def test_compose_runs_the_command_of_the_procfile(name: str) -> None:
    service = COMPOSE["services"][name]

    assert shlex.split(service["command"]) == command_of(name, compose_environment(service))


def test_compose_has_nothing_but_the_processes_and_what_they_need() -> None:
    assert set(COMPOSE["services"]) == {*PROCESSES, "postgres", "redis", "migrate"}


def test_compose_invents_no_secret() -> None:
    """A secret is required from the environment: `${NAME:?…}`, never a default."""
    text = (ROOT / "docker-compose.yml").read_text()
    for secret in ("SECRET_KEY", "POSTGRES_PASSWORD", "REDIS_PASSWORD", "FLOWER_PASSWORD"):
        assert f"${{{secret}:?" in text
        assert f"${{{secret}:-" not in text


def test_compose_shows_no_password_in_a_command() -> None:
    commands = [
        (service.get("command"), service.get("healthcheck")) for service in COMPOSE["services"].values()
    ]

    assert "PASSWORD" not in str(commands)


def test_compose_publishes_on_loopback_only() -> None:
    published = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]

    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


@pytest.mark.parametrize("name", PROCESSES)
def test_the_defaults_of_the_procfile_are_the_documented_ones(name: str) -> None:
    assert command_of(name, {}) == command_of(name, STARTING)


def test_each_worker_reads_one_queue_under_its_own_name() -> None:
    queues = {}
    for name in ("worker", "worker-llm", "relay"):
        words = command_of(name, {"NODE_NAME": "here"})
        assert words[words.index("--hostname") + 1] == f"{name}@here"
        queues[name] = words[words.index("--queues") + 1]

    assert queues == {"worker": "default", "worker-llm": "llm", "relay": "relay"}


def test_an_upload_in_progress_outlives_no_supervisor() -> None:
    """uvicorn ends its streams before anyone loses patience with it."""
    words = command_of("web", {})
    from config.conf import ConfigSettings

    graceful = float(words[words.index("--timeout-graceful-shutdown") + 1])
    assert graceful < ConfigSettings().stop_timeout_seconds
