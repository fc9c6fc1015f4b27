"""`manage.py up` and `demo` as a stranger runs them: a fresh data folder, real processes, nothing left behind."""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from django.conf import settings

from config.data_folder import DataFolder, read_values
from config.demo_client import demo_client
from config.ports import free_port
from config.readiness import DIRECTLY

pytestmark = pytest.mark.acceptance

DEADLINE_SECONDS = 120.0
OURS = (
    "DATABASE_URL",
    "REDIS_URL",
    "BROKER_URL",
    "SECRET_KEY",
    "DJANGO_SETTINGS_MODULE",
    "PORT",
    "FLOWER_PORT",
    "HOST",
    "FLOWER_HOST",
    "HTTPS",
    "LOG_LEVEL",
)


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "not within the deadline"
        time.sleep(0.1)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """That of a person who has set nothing but where things go."""
    rest = {name: value for name, value in os.environ.items() if name not in OURS}
    # At a human pace the sample takes a minute.
    rest["LONGHAUL_OFFLINE_CHUNK_DELAY_SECONDS"] = "0"
    ports = {"PORT": str(free_port()), "FLOWER_PORT": str(free_port())}
    return {**rest, **ports, "LONGHAUL_DATA_DIR": str(tmp_path / "data"), "PYTHONUNBUFFERED": "1"}


class Launcher:
    """One `manage.py` command, its output so far, and every process it has started."""

    def __init__(self, command: str, environment: dict[str, str], output: Path) -> None:
        self.output = output
        self._file = output.open("wb")
        argv = [sys.executable, "manage.py", command]
        self.process = subprocess.Popen(
            argv, cwd=settings.BASE_DIR, env=environment, stdout=self._file, stderr=subprocess.STDOUT
        )

    @property
    def text(self) -> str:
        return self.output.read_text()

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def is_up(self) -> bool:
        assert self.process.poll() is None, self.text
        return "Stop     Ctrl-C" in self.text

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._file.close()


@pytest.fixture
def launch(environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[[str], Launcher]]:
    launchers: list[Launcher] = []

    def start(command: str) -> Launcher:
        launchers.append(Launcher(command, environment, tmp_path / f"output-{len(launchers)}"))
        return launchers[-1]

    yield start
    for launcher in launchers:
        launcher.end()


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [
        process for process in processes if process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    ]


def test_up_serves_heals_and_stops_without_a_trace(
    launch: Callable[[str], Launcher], environment: dict[str, str]
) -> None:
    up = launch("up")
    eventually(up.is_up)
    values = read_values(DataFolder(Path(environment["LONGHAUL_DATA_DIR"])).env_file)
    url = f"http://127.0.0.1:{environment['PORT']}"
    for shown in (
        f"{url}/admin/",
        values["ADMIN_PASSWORD"],
        values["DEMO_PASSWORD"],
        environment["FLOWER_PORT"],
    ):
        assert shown in up.text
    with DIRECTLY.open(f"{url}/readyz") as answer:
        assert answer.status == 200
    with pytest.raises(urllib.error.HTTPError, match="401"):
        DIRECTLY.open(f"http://127.0.0.1:{environment['FLOWER_PORT']}/workers")
    workers = [
        process for process in up.family() if "--queues" in process.cmdline() and "llm" in process.cmdline()
    ]
    workers[0].kill()
    eventually(lambda: "worker-llm was killed by SIGKILL; starting it again" in up.text)

    second = launch("up")
    assert second.process.wait(timeout=DEADLINE_SECONDS) == 1
    assert "Longhaul already runs on" in second.text
    assert "Traceback" not in second.text

    family = up.family()
    up.process.send_signal(signal.SIGINT)

    assert up.process.wait(timeout=DEADLINE_SECONDS) == 0
    eventually(lambda: alive(family) == [])


def test_the_demo_ends_with_its_line_a_second_one_uses_what_is_up_and_a_killed_launcher_leaves_nobody(
    launch: Callable[[str], Launcher], environment: dict[str, str]
) -> None:
    demo = launch("demo")
    assert demo.process.wait(timeout=DEADLINE_SECONDS) == 0, demo.text
    first_id = check_last_line(demo.text)

    up = launch("up")
    eventually(up.is_up)
    again = launch("demo")
    assert again.process.wait(timeout=DEADLINE_SECONDS) == 0, again.text
    second_id = check_last_line(again.text)

    password = read_values(DataFolder(Path(environment["LONGHAUL_DATA_DIR"])).env_file)["DEMO_PASSWORD"]
    url = f"http://127.0.0.1:{environment['PORT']}"
    assert up.process.poll() is None
    with demo_client(url, name="demo", password=password) as client:
        assert {client.snapshot(run_id)["state"] for run_id in (first_id, second_id)} == {"completed"}

    family = up.family()  # here, since each start of the whole system takes its time
    assert len(family) >= 8
    up.process.kill()

    eventually(lambda: alive(family) == [])


def check_last_line(text: str) -> str:
    """The demonstration's promise; returns the run's id."""
    line = text.strip().splitlines()[-1]
    match = re.fullmatch(r"run ([0-9a-f-]{36}) completed: (\d+) findings, report (.+\.pdf)", line)
    assert match, text
    assert int(match[2]) > 0
    assert Path(match[3]).read_bytes().startswith(b"%PDF-")
    assert Path(match[3]).with_suffix(".html").exists()
    return match[1]
