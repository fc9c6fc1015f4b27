"""Starts the processes of a Procfile, brings back the ones that die, and stops all of them.

Each runs in its own process group: Ctrl-C in the terminal reaches the supervisor alone, which sends SIGTERM,
waits, and kills what is left. Should the supervisor itself be killed, the kernel kills its children (Linux).
"""

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from config.conf import ConfigSettings, conf
from config.leash import leashed
from config.processes import has_ended, in_words, reap

TICK_SECONDS = 0.05


@dataclass(frozen=True, kw_only=True)
class Program:
    """One process to keep alive. `outlives`: it is stopped after the others, which still need it."""

    name: str
    argv: tuple[str, ...]
    outlives: bool = False


def read_procfile(path: Path) -> list[Program]:
    """The programs of a Procfile, lines of `name: command`. A shell expands variables, then becomes it."""
    lines = (line.strip() for line in path.read_text().splitlines())
    pairs = (line.split(":", 1) for line in lines if line and not line.startswith("#"))
    return [
        Program(name=name.strip(), argv=("/bin/sh", "-c", f"exec {line.strip()}")) for name, line in pairs
    ]


@dataclass(kw_only=True)
class Child:
    """A program and the process that runs it now, if one does."""

    program: Program
    log: Path
    environment: Mapping[str, str]
    folder: Path
    process: "subprocess.Popen[bytes] | None" = None
    started_at: float = 0.0
    starts_at: float = 0.0
    deaths_in_a_row: int = 0
    log_due_at: float = 0.0

    def spawn(self, now: float) -> None:
        """Raises OSError: no process, no memory, no room for the log."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                leashed(self.program.argv),
                cwd=self.folder,
                env={**self.environment, "PROCESS_NAME": self.program.name},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                process_group=0,
            )
        self.started_at = now

    def note_death(self, now: float, *, limits: ConfigSettings) -> str | None:
        """If the process has just died: what to tell people, with the next start planned. Otherwise None."""
        if self.process is None or not has_ended(self.process):
            return None
        status = reap(self.process)
        self.process = None
        if now - self.started_at >= limits.restart_healthy_seconds:
            self.deaths_in_a_row = 0
        wait = self.plan_start(now, limits=limits)
        return f"{self.program.name} {in_words(status)}; starting it again in {wait:.1f} s"

    def plan_start(self, now: float, *, limits: ConfigSettings) -> float:
        """One more death or failed start: the next start waits longer. Returns the wait in seconds."""
        self.deaths_in_a_row += 1
        doublings = min(self.deaths_in_a_row - 1, 30)
        wait = min(limits.restart_wait_cap_seconds, limits.restart_wait_seconds * 2.0**doublings)
        self.starts_at = now + wait
        return wait

    def terminate(self) -> None:
        if self.process is not None and not has_ended(self.process):
            os.kill(self.process.pid, signal.SIGTERM)  # not Popen's: that one reaps

    def is_gone(self) -> bool:
        return self.process is None or has_ended(self.process)

    def finish(self) -> None:
        """Kill what has not ended by itself, and leave no zombie."""
        if self.process is not None:
            reap(self.process)
            self.process = None

    def set_log_aside(self, limit: int) -> None:
        """Copy a log that grew too long and empty it in place: the process keeps its open file."""
        if self.log.exists() and self.log.stat().st_size > limit:
            shutil.copyfile(self.log, self.log.with_suffix(".log.1"))
            os.truncate(self.log, 0)


@dataclass(kw_only=True)
class Supervisor:
    """Keeps programs running between `start()` and `stop()`. `say` gets one sentence per event.

    One thread starts every process and lives until all have ended, because the kernel ties "die with the
    parent" to the thread that forked.
    """

    programs: Iterable[Program]
    environment: Mapping[str, str]
    logs: Path
    folder: Path
    say: Callable[[str], None] = lambda sentence: None
    limits: ConfigSettings = field(default_factory=conf)

    def __post_init__(self) -> None:
        self.logs.mkdir(parents=True, exist_ok=True)
        self._children = {
            program.name: Child(
                program=program,
                log=self.log_of(program.name),
                environment=self.environment,
                folder=self.folder,
            )
            for program in self.programs
        }
        self._stopping = threading.Event()
        self._at_once = threading.Event()
        self._started = threading.Event()
        self._ended = threading.Event()
        self.failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)

    def log_of(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def start(self) -> None:
        """Returns when every program has been started once."""
        self._thread.start()
        self._started.wait()

    def pids(self) -> dict[str, int]:
        """The processes that run now, by program name."""
        running = ((name, child.process) for name, child in self._children.items())
        return {
            name: process.pid
            for name, process in running
            if process is not None and process.returncode is None
        }

    def names(self) -> list[str]:
        return list(self._children)

    def deaths_in_a_row(self, name: str) -> int:
        return self._children[name].deaths_in_a_row

    def stop(self) -> None:
        """SIGTERM to all, SIGKILL after `stop_timeout_seconds`; returns when everyone has ended or was killed."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def wait(self) -> None:
        """Returns when everything has ended: after `stop()`, or because supervising failed (`failure`)."""
        self._ended.wait()

    def hurry(self) -> None:
        """Ends a `stop()` that is under way in another thread: whoever still runs is killed now."""
        self._at_once.set()

    def __enter__(self) -> "Supervisor":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                for child in self._children.values():
                    self._tend(child)
                self._started.set()
                self._stopping.wait(TICK_SECONDS)
        except Exception as error:
            self.failure = error
        finally:
            self._started.set()
            self._stop_all()
            self._ended.set()

    def _tend(self, child: Child) -> None:
        now = time.monotonic()
        if sentence := child.note_death(now, limits=self.limits):
            self._tell(sentence)
        if child.process is None and now >= child.starts_at:
            self._spawn(child, now)
        if now >= child.log_due_at:
            self._keep_log_short(child, now)

    def _spawn(self, child: Child, now: float) -> None:
        try:
            child.spawn(now)
        except OSError as error:
            wait = child.plan_start(now, limits=self.limits)
            self._tell(f"{child.program.name} cannot be started: {error}; trying again in {wait:.1f} s")

    def _keep_log_short(self, child: Child, now: float) -> None:
        try:
            child.set_log_aside(self.limits.log_max_bytes)
        except OSError as error:
            child.log_due_at = now + self.limits.restart_wait_cap_seconds
            self._tell(f"the log of {child.program.name} cannot be set aside: {error}")

    def _tell(self, sentence: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # nobody reads any more; the processes still count
            self.say(sentence)

    def _stop_all(self) -> None:
        for outlives in (False, True):
            children = [child for child in self._children.values() if child.program.outlives is outlives]
            for child in children:
                child.terminate()
            self._await_end(children)
            for child in children:
                child.finish()

    def _await_end(self, children: list[Child]) -> None:
        deadline = time.monotonic() + self.limits.stop_timeout_seconds
        while not all(child.is_gone() for child in children):
            if time.monotonic() >= deadline or self._at_once.wait(TICK_SECONDS):
                names = ", ".join(child.program.name for child in children if not child.is_gone())
                self._tell(
                    f"killing {names}: still busy after SIGTERM; what was under way is taken up again later"
                )
                return
