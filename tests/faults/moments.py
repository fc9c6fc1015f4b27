"""The moments: where a process is met, what happens meanwhile, and how its run may end."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from tests.faults import people
from tests.faults.system import System, wait_for


@dataclass(frozen=True, kw_only=True)
class Moment:
    """Where a fault strikes: workflow and input of the run, the failpoint, the states in which it may end.

    ready: waited for before the point is armed; None arms it before the run starts. `meanwhile` is done while a process
    waits at the point, before the fault. act: done once it
    is armed. successor: where the next attempt is met, for a zombie that wakes beside it. loses: see `Scene`.
    """

    group: str
    name: str
    point: str
    ends: frozenset[str]
    workflow: str = "faults-order"
    input: tuple[tuple[str, Any], ...] = ()
    meanwhile: Callable[[System, UUID], None] = lambda system, run: None
    strikes: str = ""
    ready: Callable[[UUID], None] | None = None
    successor: str = ""
    loses: bytes = b"COMMIT"
    act: Callable[[UUID], None] = lambda run: None


def _cancel(*, undo: bool) -> Callable[[System, UUID], None]:
    """In a thread of its own: it may have to wait for a lock that the struck process holds."""

    def act(system: System, run: UUID) -> None:
        thread = threading.Thread(target=people.cancel, args=(run,), kwargs={"undo": undo}, daemon=True)
        thread.start()
        thread.join(0.3)

    return act


def _until_another_settles(step: str) -> Callable[[System, UUID], None]:
    """`step` has had its effect and is about to settle; whoever holds the run's lock makes it wait."""

    def wait(system: System, run: UUID) -> None:
        wait_for(
            f"the effect of {step}",
            lambda: any(entry["step"] == step for entry in people.effects(run)),
            seconds=10,
        )
        time.sleep(0.2)

    return wait


def _await_question(run: UUID) -> None:
    from workflows.models import Run

    wait_for("the run waiting", Run.objects.filter(pk=run, state="waiting").exists, seconds=10)


def _answer_twice(run: UUID) -> None:
    """A person clicks twice: the second answer is refused, or finds its own first one."""
    both = [threading.Thread(target=people.answer, args=(run,)) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()


def _until_the_deadline(system: System, run: UUID) -> None:
    from workflows.models import Run

    deadline = Run.objects.get(pk=run).deadline_at
    assert deadline is not None  # of this workflow
    time.sleep(max(0.0, deadline.timestamp() - time.time() - 0.02))


def _await_back_off(run: UUID) -> None:
    """The first attempt of charge has stumbled: what the next sweep takes up is its retry."""
    from workflows.models import Step

    stumbled = Step.objects.filter(
        run=run, name="charge", attempt_count=1, lease_token=None, error__isnull=False
    )
    wait_for("the back-off", stumbled.exists, seconds=10)


def _await_body(run: UUID) -> None:
    """The web process has written what it writes: the next to append is a worker."""
    from workflows.models import Step

    wait_for("charge begun", Step.objects.filter(run=run, name="charge", attempt_count=1).exists, seconds=10)


DONE = frozenset({"completed"})
CHARGE = "workflows.execute.before@charge.forward"
STOPPED = frozenset({"cancelled", "compensated"})

WORKER = tuple(
    Moment(
        group="G2", name=name, point=point, ends=DONE, strikes="KTZEL2PC", successor=successor, loses=loses
    )
    for name, point, successor, loses in (
        ("popped", "workflows.acquire.before", "", b"COMMIT"),
        ("claiming", "workflows.acquire.written@charge.forward", "", b"COMMIT"),
        ("claimed", "workflows.acquire.committed@charge.forward", CHARGE, b"COMMIT"),
        ("in-body", "workflows.execute.before@charge.forward", CHARGE, b"COMMIT"),
        ("intent-written", "workflows.items.committed@charge.forward", CHARGE, b"COMMIT"),
        ("effect-done", "workflows.settle.before@charge.forward", CHARGE, b"COMMIT"),
        ("in-commit", "workflows.settle.written@charge.forward", CHARGE, b"COMMIT"),
        ("settled", "workflows.settle.committed@charge.forward", "", b""),
        ("before-ack", "workflows.run_step.done@charge.forward", "", b""),
    )
)
UNDOING = (("fails", ["ship"]),)
SAGA = (
    Moment(
        group="G3",
        name="cancel-ready",
        point="workflows.acquire.before",
        loses=b"",
        ends=STOPPED,
        meanwhile=_cancel(undo=False),
        strikes="KZL2C",
    ),
    Moment(
        group="G3",
        name="cancel-in-body",
        point="workflows.items.committed@charge.forward",
        ends=STOPPED,
        input=(("hold_seconds", 3.0),),
        meanwhile=_cancel(undo=True),
        strikes="KZL2C",
    ),
    Moment(
        group="G3",
        name="cancel-settling",
        point="workflows.settle.written@charge.forward",
        ends=STOPPED,
        meanwhile=_cancel(undo=True),
        strikes="KZL2C",
    ),
    Moment(
        group="G3",
        name="join",
        point="workflows.settle.written@left.forward",
        ends=DONE,
        workflow="faults-branches",
        meanwhile=_until_another_settles("right"),
        strikes="KZL2C",
    ),
    Moment(
        group="G3",
        name="undo-in-body",
        point="workflows.execute.before@charge.undo",
        successor="workflows.execute.before@charge.undo",
        ends=frozenset({"compensated"}),
        input=UNDOING,
        strikes="KZL2C",
    ),
    Moment(
        group="G3",
        name="undo-settled",
        loses=b"",
        point="workflows.settle.committed@charge.undo",
        ends=frozenset({"compensated"}),
        input=UNDOING,
        strikes="KZL2C",
    ),
    Moment(
        group="G3",
        name="deadline",
        point="workflows.settle.before@charge.forward",
        ends=frozenset({"completed", "compensated"}),
        workflow="faults-deadline",
        meanwhile=_until_the_deadline,
        strikes="KZL2C",
    ),
    Moment(
        group="G3",
        name="retry-due",
        loses=b"",
        point="workflows.sweep.taken",
        ends=DONE,
        input=(("stumbles", ["charge"]),),
        ready=_await_back_off,
        strikes="KZL2C",
    ),
)
# Beside the matrix: what its moments leave out of the engine.
MORE = (
    Moment(
        group="G3",
        name="join-parts",
        point="workflows.settle.written@pack_part[0].forward",
        ends=DONE,
        workflow="faults-parts",
        meanwhile=_until_another_settles("pack_part[1]"),
        strikes="KZL2C",
    ),
    Moment(
        group="G3",
        name="answered",
        point="workflows.acquire.before",
        ends=DONE,
        workflow="faults-asking",
        ready=_await_question,
        act=_answer_twice,
        strikes="KZL2C",
    ),
)
# A writer struck with events that are not committed; what else may happen to the relay is in `matrix`.
OUTBOX = (
    Moment(
        group="G4",
        name="written",
        point="outbox.append.written",
        ends=DONE,
        input=(("hold_seconds", 0.5),),
        ready=_await_body,
        strikes="KZ",
    ),
)
