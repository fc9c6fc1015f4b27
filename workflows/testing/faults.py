"""Switches for what goes wrong: each waits for its step, happens, and is used up."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, NoReturn

from outbox.failpoints import acting
from workflows.engine.lease import Lease
from workflows.execution.signals import Signals
from workflows.services import leases
from workflows.states import AttemptKind

Moment = Literal["before_body", "in_body", "after_body", "before_commit", "after_commit", "after_settling"]
Act = Callable[[Lease], object]
FaultKind = Literal[
    "die_before_body",
    "die_in_body",
    "die_after_body",
    "die_before_commit",
    "die_after_commit",
    "deliver_twice",
    "lose_lease",
]
MOMENTS: dict[FaultKind, tuple[Moment, ...]] = {
    "die_before_body": ("before_body",),
    "die_in_body": ("in_body",),
    "die_after_body": ("after_body",),
    "die_before_commit": ("before_commit",),
    "die_after_commit": ("after_commit",),
    "deliver_twice": ("before_body", "after_settling"),
    "lose_lease": ("in_body",),
}

# Where settling passes by, in the order of the moments.
SETTLING: dict[Moment, str] = {
    "after_body": "workflows.settle.before",
    "before_commit": "outbox.append.written",
    "after_commit": "workflows.settle.committed",
}


class Died(BaseException):
    """The process that worked on a step is gone, its lease still held. No Exception, so that no handler takes it."""


def die(lease: Lease) -> NoReturn:
    raise Died(f"the worker of {lease.step_name} is gone")


@dataclass(eq=False)
class Fault:
    """What is to happen to an attempt of `step`: its name; of a fan-out that of all parts, or of one.

    name: what the test calls it. kind: of the attempt.
    after_items: in the body, only once so many changes were committed; 0: at the body's first `ctx` call or item.
    act: what happens, given the lease of the attempt. times: so many attempts are still to meet it.
    """

    name: str
    step: str
    kind: AttemptKind
    moment: Moment
    act: Act
    after_items: int = 0
    times: int = 1

    def concerns(self, lease: Lease) -> bool:
        named = self.step in (lease.step_name, lease.handler)
        return self.times > 0 and named and lease.kind == self.kind

    def happen(self, lease: Lease) -> None:
        self.times -= 1
        self.act(lease)

    def __str__(self) -> str:
        undo = " (undo)" if self.kind == AttemptKind.UNDO else ""
        items = f" after {self.after_items} items" if self.after_items else ""
        return f"{self.name} of {self.step}{undo}{items}"


@dataclass
class Watch(Signals):
    """The signals of one attempt, and the faults that wait in its body."""

    at_check: Callable[[], None] = lambda: None

    def check(self, step_name: str) -> None:
        self.at_check()
        super().check(step_name)


@dataclass
class Meeting:
    """One attempt and the faults that concern it; each happens at most once in it."""

    lease: Lease
    faults: list[Fault]
    signals: Watch = field(default_factory=Watch)
    items_count: int = 0
    has_died: bool = False

    def __post_init__(self) -> None:
        self.signals.at_check = self._at_check

    def reach(self, moment: Moment) -> None:
        """Let happen what waits for this moment."""
        for fault in [fault for fault in self.faults if fault.moment == moment]:
            self._let_happen(fault)

    @contextmanager
    def in_body(self) -> Iterator[None]:
        with acting("workflows.items.committed", self._at_commit):
            yield

    @contextmanager
    def settling(self) -> Iterator[None]:
        """Of an attempt there is at most one death: the first of its moments."""
        for moment, point in SETTLING.items():
            if any(fault.moment == moment for fault in self.faults):
                with acting(point, lambda moment=moment: self.reach(moment)):  # type: ignore[misc]
                    yield
                return
        yield

    def end_body(self) -> None:
        """What waits for a `ctx` call happens now at the latest: a body need not make one. Raises Died."""
        self._at_check()
        if self.has_died:  # something on the way out may have taken the place of its death
            raise Died

    def _at_check(self) -> None:
        self._in_body(lambda fault: fault.after_items == 0)

    def _at_commit(self) -> None:
        self.items_count += 1
        self._in_body(lambda fault: fault.after_items <= self.items_count)

    def _in_body(self, is_due: Callable[[Fault], bool]) -> None:
        for fault in [fault for fault in self.faults if fault.moment == "in_body" and is_due(fault)]:
            self._let_happen(fault)

    def _let_happen(self, fault: Fault) -> None:
        self.faults.remove(fault)  # first: what happens may reach the same moment again
        try:
            fault.happen(self.lease)
        except Died:
            self.has_died = True
            self.signals.lost.set()  # a `finally` of the handler writes nothing any more
            raise
        if leases.cancelled([self.lease]):  # the next heartbeat would tell
            self.signals.stop.set()
