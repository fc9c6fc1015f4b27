"""Which steps are undone, and in which order. Pure.

Newest stage first, the branches of a stage together; a step whose outcome is unknown (its time ran out, or its
worker vanished) may have had its effect, so it is undone too, with no output.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from workflows.states import StepState


@dataclass(frozen=True, kw_only=True)
class UndoView:
    """What the decision reads of a step."""

    position: int
    stage: int
    state: str
    has_undo: bool
    outcome_unknown: bool


def to_undo(steps: Sequence[UndoView]) -> list[int]:
    """Positions of all steps that still need their undo, in the order in which it will run."""
    wanted = [step for step in steps if step.has_undo and _may_have_had_effect(step)]
    return [step.position for step in sorted(wanted, key=lambda step: (-step.stage, step.position))]


def next_to_undo(steps: Sequence[UndoView]) -> list[int]:
    """Positions to open now: the newest stage that needs it, once nothing else is being undone."""
    if any(step.state == StepState.COMPENSATING for step in steps):
        return []
    wanted = set(to_undo(steps))
    newest = max((step.stage for step in steps if step.position in wanted), default=None)
    return [step.position for step in steps if step.position in wanted and step.stage == newest]


def _may_have_had_effect(step: UndoView) -> bool:
    return step.state == StepState.COMPLETED or (step.state == StepState.FAILED and step.outcome_unknown)
