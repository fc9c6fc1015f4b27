"""A step that yields numbers at a pace, for clients to follow."""

import time
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from workflows.definitions import Workflow, step


class Number(BaseModel):
    number: int
    text: str


class Count(BaseModel):
    """pause_seconds: before each number, which is what the step is paced by and not a wait for something."""

    up_to: int
    pause_seconds: float = 0.01


@step(title="Counting", items=Number)
def count(ctx: Any) -> Iterator[Number]:
    for number in range(ctx.input.up_to):
        time.sleep(ctx.input.pause_seconds)
        yield Number(number=number, text="é" * (number % 50))


@step(title="Adding up")
def add_up(ctx: Any) -> dict[str, int]:
    return {"sum": sum(range(ctx.input.up_to))}


counting = Workflow("acceptance-counting", version=1, input=Count, title="Counting", steps=[count, add_up])
