"""Which steps are undone, and in which order. Pure.

Newest stage first; in it the branches together, each from its end. A step whose outcome is unknown (its time ran out,
or its worker vanished) may have had its effect, so it is undone too, with no output.
"""

from collections.abc import Sequence
from typing import Protocol

from workflows.states import StepState

# What a step may have come to without anybody knowing its effect.
UNSURE = frozenset(
    {StepState.PENDING, StepState.FAILED, StepState.CANCELLED, StepState.SKIPPED, StepState.COMPLETED}
)


class UndoView(Protocol):
    """What the decisions read of a step. may_have_effect: it, or a part of it, completed or ended unknown."""

    @property
    def position(self) -> int: ...
    @property
    def stage(self) -> int: ...
    @property
    def branch(self) -> int: ...
    @property
    def state(self) -> str: ...
    @property
    def has_undo(self) -> bool: ...
    @property
    def may_have_effect(self) -> bool: ...


def needs_undo(step: UndoView) -> bool:
    return step.has_undo and step.state in UNSURE and step.may_have_effect


def to_undo(steps: Sequence[UndoView]) -> list[int]:
    """Positions of all steps that still need their undo, in the order in which it will run."""
    wanted = [step for step in steps if needs_undo(step)]
    return [
        step.position for step in sorted(wanted, key=lambda step: (-step.stage, step.branch, -step.position))
    ]


def next_to_undo(steps: Sequence[UndoView]) -> list[int]:
    """Positions to open now: of the newest stage with work left, the last of each branch that is free.

    An undo that failed for good holds back its own branch and the stages before; the branches beside it go on.
    """
    unfinished = (StepState.COMPENSATING, StepState.COMPENSATION_FAILED)
    holding = [step for step in steps if step.state in unfinished]
    wanted = [step for step in steps if needs_undo(step)]
    stage = max((step.stage for step in [*holding, *wanted]), default=None)
    busy = {step.branch for step in holding if step.stage == stage}
    last_of_branch = {step.branch: step.position for step in wanted if step.stage == stage}
    return [position for branch, position in last_of_branch.items() if branch not in busy]
