"""Programs around programs."""

from collections.abc import Callable
from typing import Any, TypeVar

from streaming.client.effects import Emit, Program
from streaming.client.errors import Cut

T = TypeVar("T")


def changed(program: Program[T], change: Callable[[Any], Any]) -> Program[T]:
    """The same, but each value that it emits goes through `change`; None is kept back."""
    answer: Any = None
    cut: Cut | None = None
    try:
        while True:
            try:
                effect = program.send(answer) if cut is None else program.throw(cut)
            except StopIteration as stop:
                returned: T = stop.value
                return returned
            answer = cut = None
            if isinstance(effect, Emit):
                value = change(effect.value)
                if value is None:
                    continue
                effect = Emit(value)
            try:
                answer = yield effect
            except Cut as error:
                cut = error
    finally:
        program.close()


def emitting(program: Program[T]) -> Program[None]:
    """Emits what the program returns."""
    value = yield from program
    yield Emit(value)
