"""What goes wrong around the processes: the disk, the listener, the supervisor itself."""

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

from config.supervisor import Supervisor
from tests.integration.config.supervising import POLITE, eventually, is_running, log, python


def test_a_program_that_cannot_be_started_is_told_and_tried_again(
    tmp_path: Path, supervise: Callable[..., Supervisor]
) -> None:
    said: list[str] = []
    supervisor = supervise(
        python("worker", "import time; time.sleep(600)"), python("web", "import time; time.sleep(600)")
    )
    supervisor.say = said.append
    shutil.rmtree(tmp_path / "logs")
    (tmp_path / "logs").write_text("no folder")  # as when the disk is full: no log can be opened
    web = supervisor.pids()["web"]

    os.kill(supervisor.pids()["worker"], signal.SIGKILL)

    eventually(lambda: any(sentence.startswith("worker cannot be started: ") for sentence in said))
    assert supervisor.pids() == {"web": web}
    (tmp_path / "logs").unlink()
    eventually(lambda: "worker" in supervisor.pids())


def test_a_removed_folder_of_logs_is_made_again(tmp_path: Path, supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise(python("worker", "import time; print('up', flush=True); time.sleep(600)"))
    first = supervisor.pids()["worker"]
    shutil.rmtree(tmp_path / "logs")

    os.kill(first, signal.SIGKILL)

    eventually(lambda: supervisor.log_of("worker").exists() and "up" in log(supervisor, "worker"))


def test_a_log_that_cannot_be_set_aside_is_told_once_and_harms_nobody(
    supervise: Callable[..., Supervisor],
) -> None:
    said: list[str] = []
    supervisor = supervise(python("worker", "import time; time.sleep(600)"), log_max_bytes=5_000)
    supervisor.say = said.append
    supervisor.log_of("worker").with_suffix(".log.1").mkdir()
    supervisor.log_of("worker").write_text("x" * 10_000)

    eventually(lambda: bool(said))
    os.kill(supervisor.pids()["worker"], signal.SIGKILL)
    eventually(lambda: any("starting it again" in sentence for sentence in said))

    assert len([sentence for sentence in said if "cannot be set aside" in sentence]) == 1


def test_nobody_listening_any_more_ends_nothing(supervise: Callable[..., Supervisor]) -> None:
    def broken(sentence: str) -> None:
        raise BrokenPipeError

    supervisor = supervise(python("worker", "import time; time.sleep(600)"))
    supervisor.say = broken
    first = supervisor.pids()["worker"]

    os.kill(first, signal.SIGKILL)

    eventually(lambda: supervisor.pids().get("worker", first) != first)


def test_a_supervisor_that_fails_stops_everything_and_says_why(
    supervise: Callable[..., Supervisor],
) -> None:
    def fail(sentence: str) -> None:
        raise LookupError("no such thing")

    supervisor = supervise(python("worker", "import time; time.sleep(600)"), python("web", POLITE))
    family = supervisor.pids()
    supervisor.say = fail

    os.kill(family["worker"], signal.SIGKILL)
    supervisor.wait()

    assert str(supervisor.failure) == "no such thing"
    assert not is_running(family["web"])


def test_what_was_never_started_can_be_stopped(tmp_path: Path) -> None:
    Supervisor(programs=[], environment={}, logs=tmp_path, folder=tmp_path).stop()
