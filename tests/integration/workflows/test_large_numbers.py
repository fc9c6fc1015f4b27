"""Whole numbers that a database writes out, such as 1e20, come back as the numbers that they were."""

from collections.abc import Generator
from typing import Any

import pytest
from pydantic import BaseModel

from outbox.models import Entry
from workflows import selectors
from workflows.definitions import Retry, Workflow, fan_out, step
from workflows.errors import Retryable
from workflows.states import RunState

pytestmark = pytest.mark.django_db

LARGE = [1e16, 1e20, -1e300, 2.5, 0.0]


class Numbers(BaseModel):
    values: list[float]


class Measure(BaseModel):
    value: float


@step(title="Measuring", items=Measure, retry=Retry(attempts=2))
def measure(ctx: Any) -> Generator[Measure, None, list[float]]:
    for value in ctx.input.values:
        yield Measure(value=value)
    if ctx.attempt == 1:
        raise Retryable("Once more.")
    return [float(value) for value in ctx.input.values]


@step(title="Passing on")
def pass_on(ctx: Any) -> float:
    return float(ctx.item.value)


@step(title="Adding up")
def add_up(ctx: Any) -> list[float]:
    return [*ctx.outputs(pass_on), *ctx.output(measure), *(item.value for item in ctx.items(measure))]


measuring = Workflow(
    "test-large",
    version=1,
    input=Numbers,
    title="Numbers",
    steps=[measure, fan_out(pass_on, over=measure), add_up],
)


def test_they_are_the_same_to_a_second_attempt_and_to_the_steps_after_it(longhaul):
    run = longhaul.finish(longhaul.start(measuring, input={"values": LARGE}))
    assert run.state == RunState.COMPLETED, run.error
    assert selectors.result(run) == LARGE * 3
    kinds = set(Entry.objects.filter(stream_id=run.pk).values_list("type", flat=True))
    assert not kinds & {"item.replaced", "item.retracted"}
    longhaul.check(run)
