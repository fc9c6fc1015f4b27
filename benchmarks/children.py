"""Processes that do one part of a benchmark when they are told to, with Longhaul's settings as in production.

The parent writes a command a line, the child answers with a line; both are JSON. Run as a program it is the child:
`python -m benchmarks.children benchmarks.relay.relaying` serves what that module has in COMMANDS.
"""

import contextlib
import importlib
import json
import select
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from config.leash import leashed

ROOT = Path(__file__).parents[1]
ANSWER_SECONDS = 900.0
STOP_SECONDS = 10.0
SHOWN_BYTES = 2_000

Answer = Mapping[str, Any]
Commands = Mapping[str, Callable[..., Answer]]


class ChildFailed(Exception):
    """A child ended, or gave no answer. The message holds the end of its log."""


class Child:
    """A running child. `environment`: from `Servers.environment`; `log`: where its stderr goes."""

    def __init__(self, module: str, environment: Mapping[str, str], log: Path) -> None:
        self._module = module
        self._is_ready = False
        self._log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                leashed((sys.executable, "-m", "benchmarks.children", module)),
                cwd=ROOT,
                env=dict(environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_until_ready(self) -> None:
        """It has started, and does at once what it is told. Raises ChildFailed."""
        if not self._is_ready:
            self.hear()
            self._is_ready = True

    def tell(self, command: str, **arguments: Any) -> None:
        """Raises ChildFailed."""
        self.wait_until_ready()
        assert self._process.stdin is not None
        with self._death_explained():
            self._process.stdin.write(json.dumps([command, arguments]).encode() + b"\n")
            self._process.stdin.flush()

    def hear(self, *, seconds: float = ANSWER_SECONDS) -> dict[str, Any]:
        """The next answer. Raises ChildFailed."""
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], seconds)
        line = self._process.stdout.readline() if ready else b""
        if not line:
            raise ChildFailed(f"no answer from {self._module}: {self._said()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Tell it, and wait until it is done. Raises ChildFailed."""
        self.tell(command, **arguments)
        return self.hear()

    def close(self) -> None:
        """Its input ends, so it ends; if not, it is killed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextlib.contextmanager
    def _death_explained(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            raise ChildFailed(f"{self._module} has ended: {self._said()}") from None

    def _said(self) -> str:
        return self._log.read_bytes()[-SHOWN_BYTES:].decode(errors="replace") or "it said nothing"


def serve(commands: Commands) -> None:
    """Say that we are ready, and do what is asked until the input ends. What is raised ends us; the parent shows it."""
    _answer({})
    for line in sys.stdin:
        name, arguments = json.loads(line)
        _answer(commands[name](**arguments))


def _answer(answer: Answer) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    import django

    django.setup()
    serve(importlib.import_module(sys.argv[1]).COMMANDS)
