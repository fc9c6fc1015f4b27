"""Programs to supervise, and waiting for what becomes of them."""

import sys
import time
from collections.abc import Callable

import psutil

from config.supervisor import Program, Supervisor

DEADLINE_SECONDS = 15.0
POLITE = (
    "import signal,sys,time; signal.signal(signal.SIGTERM, lambda *_: sys.exit('drained'));"
    "print('up',flush=True); time.sleep(600)"
)


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "not within the deadline"
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def python(name: str, code: str, *, outlives: bool = False) -> Program:
    return Program(name=name, argv=(sys.executable, "-c", code), outlives=outlives)


def log(supervisor: Supervisor, name: str) -> str:
    return supervisor.log_of(name).read_text()
