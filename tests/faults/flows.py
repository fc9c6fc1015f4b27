"""The workflows that the fault harness breaks. Every effect is a request to the fake provider."""

import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from typing import Any

from pydantic import BaseModel

from workflows.definitions import Retry, Workflow, fan_out, parallel, step, wait_for
from workflows.errors import Fatal, Retryable

PROVIDER_VARIABLE = "FAULTS_PROVIDER"
TIMEOUT_SECONDS = 5.0


class Order(BaseModel):
    """fails: steps that fail for good; breaks: those that do so at their first attempt, until a person retries;
    stumbles: those that fail once; hold_seconds: how long charge takes."""

    fails: list[str] = []
    breaks: list[str] = []
    stumbles: list[str] = []
    hold_seconds: float = 0.0


class Approval(BaseModel):
    approved: bool


class Intent(BaseModel):
    what: str


def effect(ctx: Any, kind: str = "forward") -> str:
    """Ask the provider for this step's effect. Raises Retryable when it does not answer, Fatal when it refuses."""
    body = json.dumps({"run": str(ctx.run_id), "step": ctx.step_name, "kind": kind}).encode()
    headers = {"Idempotency-Key": ctx.idempotency_key, "Content-Type": "application/json"}
    request = urllib.request.Request(os.environ[PROVIDER_VARIABLE], data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
            return str(json.loads(answer.read())["status"])
    except urllib.error.HTTPError as error:
        raise Fatal("The provider refuses.", code="refused") from error
    except OSError as error:
        raise Retryable("The provider does not answer.", code="silent") from error


def _may_fail(ctx: Any) -> None:
    if ctx.step_name in ctx.input.stumbles and ctx.attempt == 1:
        raise Retryable("Not this time.", code="stumbled")
    breaks = ctx.step_name in ctx.input.breaks and ctx.attempt == 1
    if breaks or ctx.step_name in ctx.input.fails:
        raise Fatal("Never.", code="broken")


def _hold(ctx: Any) -> None:
    end = time.monotonic() + ctx.input.hold_seconds
    while time.monotonic() < end:
        ctx.check_cancelled()
        time.sleep(0.02)


@step(title="Reserving", timeout=60)
def reserve(ctx: Any) -> str:
    return effect(ctx)


@step(title="Charging", timeout=60, items=Intent, item_key="what", retry=Retry(attempts=4))
def charge(ctx: Any) -> Generator[Intent, None, str]:
    yield Intent(what="a charge")
    ctx.flush()
    _hold(ctx)
    _may_fail(ctx)
    effect(ctx)
    return f"attempt {ctx.attempt}"  # whose work is kept, for the checks


@step(title="Packing", timeout=60)
def left(ctx: Any) -> str:
    return effect(ctx)


@step(title="Insuring", timeout=60)
def right(ctx: Any) -> str:
    return effect(ctx)


@step(title="Sending", timeout=60)
def ship(ctx: Any) -> str:
    _may_fail(ctx)
    return effect(ctx)


@step(title="Listing", timeout=60)
def list_parts(ctx: Any) -> list[int]:
    effect(ctx)
    return [1, 2]


@step(title="Packing parts", timeout=60)
def pack_part(ctx: Any) -> str:
    return effect(ctx)


@step(title="Hanging", timeout=1, retry=Retry(attempts=2, base=0.1, cap=0.1))
def hang(ctx: Any) -> None:
    """Asks nothing and looks at nothing: only its end from outside ends it."""
    time.sleep(600)


def _undo(ctx: Any, output: Any) -> None:
    effect(ctx, "undo")


for undoable in (reserve, charge, left, right, list_parts, pack_part):
    undoable.undo(_undo)

ordering = Workflow(
    "faults-order",
    version=1,
    input=Order,
    title="Order",
    steps=[reserve, charge, ship],
    on_failure="compensate",
)
branching = Workflow(
    "faults-branches",
    version=1,
    input=Order,
    title="Branches",
    steps=[reserve, parallel(left, right), ship],
    on_failure="compensate",
)
reopening = Workflow(
    "faults-reopened",
    version=1,
    input=Order,
    title="Order without undo",
    steps=[reserve, charge, ship],
)
racing = Workflow(
    "faults-deadline",
    version=1,
    input=Order,
    title="Deadline",
    steps=[reserve, charge],
    on_failure="compensate",
    deadline=3,
)
parting = Workflow(
    "faults-parts",
    version=1,
    input=Order,
    title="Parts",
    steps=[list_parts, fan_out(pack_part, over=list_parts), ship],
    on_failure="compensate",
)
asking = Workflow(
    "faults-asking",
    version=1,
    input=Order,
    title="Question",
    steps=[reserve, wait_for("approval", schema=Approval, timeout=60), charge],
    on_failure="compensate",
)
hanging = Workflow(
    "faults-hung",
    version=1,
    input=Order,
    title="Hung",
    steps=[reserve, hang],
    on_failure="compensate",
)
# A deploy that brings a new version: workers of the old release do not have it.
if os.environ.get("FAULTS_RELEASE", "new") == "new":
    released = Workflow(
        "faults-order", version=2, input=Order, title="Order", steps=[reserve, charge, left, ship]
    )
