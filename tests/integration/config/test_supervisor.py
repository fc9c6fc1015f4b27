import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from config.supervisor import Supervisor, read_procfile
from tests.integration.config.supervising import DEADLINE_SECONDS, POLITE, eventually, is_running, log, python

# Starts a child of its own, as a prefork worker does, and tells both ids.
PARENT = "import os,subprocess,sys; p=subprocess.Popen(['sleep','600']); print(os.getpid(),p.pid,flush=True); p.wait()"
STUBBORN = "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up',flush=True); time.sleep(600)"


def test_a_killed_process_is_started_again(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise(python("worker", "import time; print('up',flush=True); time.sleep(600)"))
    eventually(lambda: "up" in log(supervisor, "worker"))
    first = supervisor.pids()["worker"]

    os.kill(first, signal.SIGKILL)

    eventually(lambda: supervisor.pids().get("worker", first) != first)
    eventually(lambda: log(supervisor, "worker").count("up") == 2)


def test_the_children_of_a_killed_process_go_with_it(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise(python("worker", PARENT))
    eventually(lambda: log(supervisor, "worker").endswith("\n"))
    leader, child = map(int, log(supervisor, "worker").split())

    os.kill(leader, signal.SIGKILL)

    eventually(lambda: not is_running(child))


def test_stopping_leaves_nobody(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise(python("worker", PARENT), python("web", POLITE))
    eventually(lambda: log(supervisor, "worker").endswith("\n") and "up" in log(supervisor, "web"))
    everyone = [*map(int, log(supervisor, "worker").split()), *supervisor.pids().values()]

    supervisor.stop()

    # An orphan that was killed with its group still needs the processor once to die.
    eventually(lambda: not any(is_running(pid) for pid in everyone))
    assert "drained" in log(supervisor, "web")


def test_who_ignores_sigterm_is_killed_after_the_limit(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise(python("worker", STUBBORN), stop_timeout_seconds=0.3)
    eventually(lambda: "up" in log(supervisor, "worker"))
    pid = supervisor.pids()["worker"]

    supervisor.stop()

    assert not is_running(pid)


def test_hurry_does_not_wait_for_the_limit(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise(python("worker", STUBBORN), stop_timeout_seconds=600)
    eventually(lambda: "up" in log(supervisor, "worker"))

    supervisor.hurry()
    started = time.monotonic()
    supervisor.stop()

    assert time.monotonic() - started < DEADLINE_SECONDS


def test_what_others_need_is_stopped_after_them(supervise: Callable[..., Supervisor]) -> None:
    witness = (
        "import signal,sys,time\n"
        "def end(*_): print('redis said', open('logs/redis.log').read()); sys.exit()\n"
        "signal.signal(signal.SIGTERM, end); print('up', flush=True); time.sleep(600)"
    )
    supervisor = supervise(python("redis", POLITE, outlives=True), python("worker", witness))
    eventually(lambda: "up" in log(supervisor, "worker") and "up" in log(supervisor, "redis"))

    supervisor.stop()

    assert "redis said up" in log(supervisor, "worker")
    assert "drained" not in log(supervisor, "worker")
    assert "drained" in log(supervisor, "redis")


def test_a_process_that_keeps_dying_is_started_ever_more_rarely(supervise: Callable[..., Supervisor]) -> None:
    said: list[str] = []
    supervisor = supervise(python("worker", "import sys; sys.exit(3)"), restart_wait_cap_seconds=0.2)
    supervisor.say = said.append

    eventually(lambda: supervisor.deaths_in_a_row("worker") >= 4)

    assert any("worker ended with status 3; starting it again in 0.2 s" in sentence for sentence in said)


def test_a_killed_supervisor_leaves_no_orphans(tmp_path: Path) -> None:
    script = (
        "import os, sys, threading\nfrom pathlib import Path\n"
        "from config.conf import ConfigSettings\nfrom config.supervisor import Program, Supervisor\n"
        f"program = Program(name='worker', argv=('/bin/sh', '-c', 'exec sleep 600'))\n"
        f"s = Supervisor(programs=[program], environment=dict(os.environ), logs=Path({str(tmp_path)!r}),"
        f" folder=Path({str(tmp_path)!r}), limits=ConfigSettings())\n"
        "s.start(); print(s.pids()['worker'], flush=True); threading.Event().wait()"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as launcher:
        assert launcher.stdout is not None
        worker = int(launcher.stdout.readline())
        assert is_running(worker)
        launcher.kill()

    eventually(lambda: not is_running(worker))


def test_a_long_log_is_set_aside_while_its_process_writes_on(supervise: Callable[..., Supervisor]) -> None:
    code = "import time\nwhile True: print('x' * 100, flush=True); time.sleep(0.005)"
    supervisor = supervise(python("worker", code), log_max_bytes=5_000)
    path = supervisor.log_of("worker")

    eventually(lambda: path.with_suffix(".log.1").exists() and path.stat().st_size < 5_000)
    size = path.stat().st_size

    eventually(lambda: path.stat().st_size != size)


def test_the_shell_expands_variables_and_then_becomes_the_command(
    tmp_path: Path, supervise: Callable[..., Supervisor]
) -> None:
    procfile = tmp_path / "Procfile"
    procfile.write_text("# comment\n\nworker: echo at ${WHERE:-home} as $PROCESS_NAME\n")

    supervisor = supervise(*read_procfile(procfile))

    eventually(lambda: "at home as worker" in log(supervisor, "worker"))
