"""Named points where a test may stop, delay or kill a process. Off, a point costs one attribute read.

A test process sets LONGHAUL_FAILPOINTS, for example `outbox.relay.appended=kill` or `workflows.settle=wait:/tmp/go`;
several are separated by commas. Names that are not registered are refused at start, so that a renamed point cannot
leave a test that proves nothing.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


def _refuse_unknown(name: str) -> None:
    if name not in NAMES:
        raise ValueError(f"no failpoint {name!r}; there are {', '.join(sorted(NAMES))}")


def parse(text: str) -> dict[str, Callable[[], None]]:
    """`name=action,name=action` → what to do at each. Raises ValueError for a name or action nobody knows."""
    chosen: dict[str, Callable[[], None]] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, _, action = part.partition("=")
        _refuse_unknown(name)
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


@contextmanager
def acting(name: str, act: Callable[[], None]) -> Iterator[None]:
    """For tests in this process: do `act` at `name` until the block ends. Raises ValueError for an unknown name."""
    _refuse_unknown(name)
    before = active.get(name)
    active[name] = act
    try:
        yield
    finally:
        if before is None:
            active.pop(name, None)
        else:
            active[name] = before
