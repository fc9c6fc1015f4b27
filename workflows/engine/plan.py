"""The frozen plan of a run, and which of its steps may open. Pure.

Steps stand in stages, one after the other; a stage has branches that run side by side, each a sequence.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from workflows.definitions import Workflow
from workflows.states import STEP_DONE, StepState


class StepView(Protocol):
    """What the decisions below read of a step."""

    position: int
    stage: int
    branch: int
    state: str


@dataclass(frozen=True, kw_only=True)
class PlannedStep:
    """One step as it was declared when the run started. Times in seconds."""

    name: str
    title: str
    queue: str
    position: int
    stage: int
    branch: int
    timeout: float
    idle_timeout: float | None
    attempts: int
    base: float
    cap: float
    has_undo: bool
    streams_items: bool


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The whole order. A run keeps it from start to end, whatever is deployed meanwhile."""

    on_failure: str
    steps: tuple[PlannedStep, ...]

    def to_json(self) -> dict[str, Any]:
        return {"on_failure": self.on_failure, "steps": [vars(step) for step in self.steps]}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Plan":
        """The plan of a row, also of one that a later release wrote: fields unknown here are left out."""
        known = PlannedStep.__dataclass_fields__
        steps = [{name: step[name] for name in known if name in step} for step in value["steps"]]
        return cls(on_failure=value["on_failure"], steps=tuple(PlannedStep(**step) for step in steps))

    def fingerprint(self) -> str:
        """SHA-256 of the canonical plan, hex: tells whether two runs follow the same one."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()

    def step(self, position: int) -> PlannedStep:
        return self.steps[position]


def freeze(workflow: Workflow) -> Plan:
    """The plan of a run that starts now: each step a stage of its own."""
    return Plan(
        on_failure=workflow.on_failure,
        steps=tuple(
            PlannedStep(
                name=step.name,
                title=step.title,
                queue=step.queue,
                position=position,
                stage=position,
                branch=0,
                timeout=step.timeout,
                idle_timeout=step.idle_timeout,
                attempts=step.retry.attempts,
                base=step.retry.base,
                cap=step.retry.cap,
                has_undo=step.undo_handler is not None,
                streams_items=step.items is not None,
            )
            for position, step in enumerate(workflow.steps)
        ),
    )


def openable(steps: Sequence[StepView]) -> list[int]:
    """Positions of the pending steps whose predecessors are done; the steps come in order of position."""
    unfinished = [step for step in steps if step.state not in STEP_DONE]
    if not unfinished:
        return []
    stage = min(step.stage for step in unfinished)
    first_of_branch: dict[int, StepView] = {}
    for step in unfinished:
        if step.stage == stage:
            first_of_branch.setdefault(step.branch, step)
    return [step.position for step in first_of_branch.values() if step.state == StepState.PENDING]


def segment(plan: Plan, start: int, *, limit: int) -> list[int]:
    """Positions that one chain may carry from `start` on: at most `limit`, and never across a fork or a join."""
    carried = [start]
    for here, following in zip(plan.steps[start:], plan.steps[start + 1 :], strict=False):
        crosses = here.stage != following.stage and (
            _is_parallel(plan, here.stage) or _is_parallel(plan, following.stage)
        )
        if crosses or here.branch != following.branch or len(carried) >= limit:
            break
        carried.append(following.position)
    return carried


def _is_parallel(plan: Plan, stage: int) -> bool:
    return len({step.branch for step in plan.steps if step.stage == stage}) > 1
