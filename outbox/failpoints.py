"""Named points where a test may stop, delay or kill a process. Off, a point costs one attribute read.

A test process sets LONGHAUL_FAILPOINTS, for example `outbox.relay.appended=kill` or `workflows.settle=wait:/tmp/go`;
several are separated by commas. Names that are not registered are refused at start, so that a renamed point cannot
leave a test that proves nothing.
"""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

NAMES: Final = frozenset(
    {
        "outbox.append.written",
        "outbox.relay.claimed",
        "outbox.relay.appended",
        "workflows.acquire.before",
        "workflows.acquire.committed",
        "workflows.settle.before",
        "workflows.settle.committed",
        "workflows.items.committed",
        "workflows.run_step.done",
    }
)


class InjectedFailure(RuntimeError):
    """Raised at a failpoint whose action is `raise`."""


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _raise() -> None:
    raise InjectedFailure("a failpoint was told to raise")


def _wait(path: str) -> None:
    """Say that the point was reached (`<path>.reached`), then wait until the test creates `path`."""
    Path(f"{path}.reached").touch()
    while not Path(path).exists():
        time.sleep(0.01)


def parse(text: str) -> dict[str, Callable[[], None]]:
    """`name=action,name=action` → what to do at each. Raises ValueError for a name or action nobody knows."""
    chosen: dict[str, Callable[[], None]] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, _, action = part.partition("=")
        if name not in NAMES:
            raise ValueError(f"no failpoint {name!r}; there are {', '.join(sorted(NAMES))}")
        verb, _, argument = action.partition(":")
        match verb:
            case "kill":
                chosen[name] = _kill
            case "raise":
                chosen[name] = _raise
            case "wait" if argument:
                chosen[name] = lambda path=argument: _wait(path)  # type: ignore[misc]
            case _:
                raise ValueError(f"failpoint {name}: actions are kill, raise and wait:<path>, not {action!r}")
    return chosen


active = parse(os.environ.get("LONGHAUL_FAILPOINTS", ""))


def failpoint(name: str) -> None:
    """Do here what the process was told to do at `name`; usually nothing."""
    if active and name in active:
        active[name]()
