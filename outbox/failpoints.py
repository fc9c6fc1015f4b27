"""Named points where a test may stop, delay or kill a process. Off, a point costs one attribute read.

LONGHAUL_FAILPOINTS says at start what happens each time, for example `outbox.relay.appended=kill`; several are
separated by commas. LONGHAUL_FAILPOINTS_DIR names a folder in which a running process is told what happens once:
the file `workflows.settle.before@charge.forward` holds the action, and may leave out the subject after the `@`.
Whoever comes there first takes the file away (it becomes `….hit-<pid>`), so that a fault strikes one process only.

Names that are not registered are refused, so that a renamed point cannot leave a test that proves nothing.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Final

NAMES: Final = frozenset(
    {
        "outbox.append.written",
        "outbox.relay.leased",
        "outbox.relay.claimed",
        "outbox.relay.encoded",
        "outbox.relay.appended",
        "outbox.relay.rewound",
        "outbox.relay.settled",
        "outbox.consume.read",
        "outbox.consume.handled",
        "outbox.consume.applied",
        "outbox.webhooks.posted",
        "workflows.acquire.before",
        "workflows.acquire.written",
        "workflows.acquire.committed",
        "workflows.execute.before",
        "workflows.items.committed",
        "workflows.settle.before",
        "workflows.settle.written",
        "workflows.settle.committed",
        "workflows.run_step.done",
        "workflows.sweep.taken",
    }
)
POLL_SECONDS = 0.01

Action = Callable[[Path | None], None]


class InjectedFailure(RuntimeError):
    """Raised at a failpoint whose action is `raise`."""


def _signal(number: signal.Signals) -> Action:
    # To this thread: sent to the process, it may reach another thread first, and this one goes on a little.
    return lambda hit: signal.pthread_kill(threading.get_ident(), number)


def _raise(hit: Path | None) -> None:
    raise InjectedFailure("a failpoint was told to raise")


def _wait(path: str) -> Action:
    """Say that the point was reached (`<path>.reached`), then wait until the test creates `path`.

    In a folder the file that was taken away says it, and `….hit-<pid>.go` ends the wait; what it holds is done then.
    """

    def wait(hit: Path | None) -> None:
        go = Path(path) if path else Path(f"{hit}.go")
        if path:
            Path(f"{path}.reached").touch()
        while not go.exists():
            time.sleep(POLL_SECONDS)
        if then := go.read_text().strip():
            action(then)(hit)

    return wait


def _sleep(seconds: str) -> Action:
    return lambda hit: time.sleep(float(seconds))


def _shift_clock(seconds: str) -> Action:
    """From now on this process's own clock is wrong, as on a host without time synchronisation."""

    def shift(hit: Path | None) -> None:
        clock, by = time.time, float(seconds)

        class Lenient(type):
            def __instancecheck__(cls, instance: object) -> bool:
                return isinstance(instance, datetime)

        class Wrong(datetime, metaclass=Lenient):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
                return datetime.now(tz) + timedelta(seconds=by)

        # The class itself cannot be changed, so every module that has it gets the other one.
        for module in list(sys.modules.values()):
            if module.__name__ != __name__ and getattr(module, "datetime", None) is datetime:
                module.datetime = Wrong  # type: ignore[attr-defined]
        time.time = lambda: clock() + by

    return shift


def action(text: str) -> Action:
    """`kill`, `stop` (until SIGCONT), `raise`, `wait[:<path>]`, `sleep:<seconds>`, `clock:<seconds>`. ValueError."""
    verb, _, argument = text.strip().partition(":")
    match verb:
        case "kill" if not argument:
            return _signal(signal.SIGKILL)
        case "stop" if not argument:
            return _signal(signal.SIGSTOP)
        case "raise" if not argument:
            return _raise
        case "wait":
            return _wait(argument)
        case "sleep" if argument:
            return _sleep(argument)
        case "clock" if argument:
            return _shift_clock(argument)
    raise ValueError(
        f"a failpoint's actions are kill, stop, raise, wait:<path>, sleep:<seconds> and clock:<seconds>, not {text!r}"
    )


def parse(text: str) -> dict[str, Action]:
    """`name=action,name=action` → what to do at each. Raises ValueError for a name or action nobody knows."""
    chosen: dict[str, Action] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, _, what = part.partition("=")
        require_known(name)
        chosen[name] = action(what)
        if what.strip() == "wait":
            raise ValueError(f"failpoint {name}: wait:<path> names the file to wait for")
    return chosen


def require_known(name: str) -> None:
    if name not in NAMES:
        raise ValueError(f"no failpoint {name!r}; there are {', '.join(sorted(NAMES))}")


active = parse(os.environ.get("LONGHAUL_FAILPOINTS", ""))
folder = Path(given) if (given := os.environ.get("LONGHAUL_FAILPOINTS_DIR")) else None
is_on = bool(active) or folder is not None


def failpoint(name: str, subject: object = "") -> None:
    """Do here what the process was told to do at `name`, perhaps for this `subject` only; usually nothing."""
    if is_on:
        _act(name, str(subject))


def _act(name: str, subject: str) -> None:
    if name in active:
        active[name](None)
    if folder is None:
        return
    for armed in (folder / f"{name}@{subject}", folder / name):
        hit = armed.with_name(f"{armed.name}.hit-{os.getpid()}")
        try:
            armed.rename(hit)
        except OSError:  # not armed, or another process was first
            continue
        action(hit.read_text())(hit)


@contextmanager
def acting(name: str, act: Callable[[], None]) -> Iterator[None]:
    """For tests in this process: do `act` at `name` until the block ends. Raises ValueError for an unknown name."""
    global is_on
    require_known(name)
    before, was_on = active.get(name), is_on
    active[name], is_on = lambda hit: act(), True
    try:
        yield
    finally:
        is_on = was_on
        if before is None:
            active.pop(name, None)
        else:
            active[name] = before
