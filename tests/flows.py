"""Small workflows for the engine's tests. What a handler does is decided by its run's input."""

from collections.abc import Generator
from typing import Any

from pydantic import BaseModel

from workflows.definitions import Retry, Workflow, step
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
