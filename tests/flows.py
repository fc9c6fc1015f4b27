"""Small workflows for the engine's tests. What a handler does is decided by its run's input."""

from collections.abc import Generator
from typing import Any

from pydantic import BaseModel

from workflows.definitions import Retry, Workflow, fan_out, parallel, step, wait_for
from workflows.errors import Fatal, Retryable

# What handlers did, in order: (step, what). Tests clear it.
ledger: list[tuple[str, Any]] = []


class Order(BaseModel):
    name: str = "a lamp"
    fails_at: str = ""
    error: str = "retryable"
    undo_fails: int = 0


class Note(BaseModel):
    text: str


def _maybe_fail(ctx: Any) -> None:
    ledger.append((ctx.step_name, ctx.attempt))
    if ctx.input.fails_at == ctx.step_name:
        if ctx.input.error == "fatal":
            raise Fatal("The order cannot be filled.", code="out-of-stock")
        raise Retryable("The shop is closed.", code="closed")


@step(title="Reserving", timeout=60, retry=Retry(attempts=3, base=1, cap=10))
def reserve(ctx: Any) -> Note:
    _maybe_fail(ctx)
    return Note(text=f"{ctx.input.name} reserved")


@reserve.undo
def release(ctx: Any, note: Note | None) -> None:
    ledger.append(("release", note))
    if ctx.attempt <= ctx.input.undo_fails:
        raise Retryable("The shop does not answer.", code="silent")


@step(title="Listing", items=Note, item_key="text", idle_timeout=20, retry=Retry(attempts=2))
def list_parts(ctx: Any) -> Generator[Note, None, int]:
    for part in ("shade", "bulb", "foot"):
        yield Note(text=part)
    _maybe_fail(ctx)
    return 3


@step(title="Charging", retry=Retry(attempts=2))
def charge(ctx: Any) -> str:
    _maybe_fail(ctx)
    return ctx.output(reserve).text + " and paid"


@charge.undo
def refund(ctx: Any, receipt: str | None) -> None:
    ledger.append(("refund", receipt))


ordering = Workflow(
    "test-ordering", version=1, input=Order, title="Order of {name}", steps=[reserve, list_parts, charge]
)

undoing = Workflow(
    "test-undoing",
    version=1,
    input=Order,
    title="Order of {name}",
    steps=[reserve, list_parts, charge],
    on_failure="compensate",
)


class Approval(BaseModel):
    approved: bool
    comment: str = ""


class Parcel(BaseModel):
    """What a shipping does. fails: names of steps, or parts, that fail; error: how; parts: sizes to weigh."""

    parts: list[int] = [1, 2, 3]
    fails: list[str] = []
    error: str = "fatal"


def _do(ctx: Any) -> None:
    ledger.append((ctx.step_name, ctx.attempt))
    if ctx.step_name in ctx.input.fails:
        raise (
            Fatal("Broken.", code="broken") if ctx.input.error == "fatal" else Retryable("Busy.", code="busy")
        )


def _undo(ctx: Any, output: Any) -> None:
    ledger.append((f"undo {ctx.step_name}", output))


@step(title="Packing", retry=Retry(attempts=2))
def pack(ctx: Any) -> list[int]:
    _do(ctx)
    return list(ctx.input.parts)


@step(title="Weighing", retry=Retry(attempts=2))
def weigh(ctx: Any) -> int:
    _do(ctx)
    return int(ctx.item) * 10


@step(title="Labelling", retry=Retry(attempts=2))
def label(ctx: Any) -> str:
    _do(ctx)
    return "label"


@step(title="Printing")
def print_label(ctx: Any) -> str:
    _do(ctx)
    return "printed"


@step(title="Insuring", retry=Retry(attempts=2))
def insure(ctx: Any) -> str:
    _do(ctx)
    return "insured"


@step(title="Totalling")
def total(ctx: Any) -> int:
    _do(ctx)
    return sum(ctx.outputs(weigh))


@step(title="Sending", pivot=True)
def send(ctx: Any) -> str:
    _do(ctx)
    return "sent"


@step(title="Telling", retry_only=True, retry=Retry(attempts=2))
def tell(ctx: Any) -> None:
    _do(ctx)


for undoable in (pack, weigh, label, print_label, insure):
    undoable.undo(_undo)

approval = wait_for("approval", schema=Approval, timeout=3_600)
pause = wait_for("pause", timeout=60, on_timeout="continue")

branching = Workflow(
    "test-branching",
    version=1,
    input=Parcel,
    title="Parcel",
    steps=[pack, parallel([label, print_label], insure), send],
)

branching_back = Workflow(
    "test-branching-back",
    version=1,
    input=Parcel,
    title="Parcel",
    steps=[pack, parallel([label, print_label], insure), send, tell],
    on_failure="compensate",
)

fanning = Workflow(
    "test-fanning", version=1, input=Parcel, title="Parcel", steps=[pack, fan_out(weigh, over=pack), total]
)

fanning_back = Workflow(
    "test-fanning-back",
    version=1,
    input=Parcel,
    title="Parcel",
    steps=[pack, fan_out(weigh, over=pack), total],
    on_failure="compensate",
)

asking = Workflow(
    "test-asking",
    version=1,
    input=Parcel,
    title="Parcel",
    steps=[pack, approval, label, pause, print_label],
    deadline=7_200,
)

budgeted = Workflow(
    "test-budgeted",
    version=1,
    input=Parcel,
    title="Parcel",
    steps=[pack, parallel(label, insure)],
    retry_budget=1,
)
