"""The frozen plan of a run, and which of its steps may open. Pure.

Steps stand in stages, one after the other; a stage has branches that run side by side, each a sequence. The parts of a
fan-out are not in the plan: how many there will be is known only when its turn comes.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Protocol

from workflows.definitions import FanOut, Step, Wait, Workflow
from workflows.definitions.stages import Node, branches_of
from workflows.states import STEP_DONE, StepKind, StepState


class StepView(Protocol):
    """What the decisions below read of a step."""

    position: int
    stage: int
    branch: int
    state: str


@dataclass(frozen=True, kw_only=True)
class PlannedStep:
    """One step as it was declared when the run started. Times in seconds.

    over: of a fan-out, the name of the step whose items it is for. timeout: of an attempt; of a wait, until it gives
    up, and then `on_timeout` says how.
    """

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
    kind: str = StepKind.STEP.value
    over: str | None = None
    on_timeout: str = "fail"
    pivot: bool = False
    retry_only: bool = False


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The whole order. A run keeps it from start to end, whatever is deployed meanwhile.

    deadline: seconds from the start of the run. retry_budget: retries of a round, all steps together.
    """

    on_failure: str
    steps: tuple[PlannedStep, ...]
    deadline: float | None = None
    retry_budget: int | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "on_failure": self.on_failure,
            "deadline": self.deadline,
            "retry_budget": self.retry_budget,
            "steps": [vars(step) for step in self.steps],
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Plan":
        """The plan of a row, also of one that another release wrote: fields unknown here are left out."""
        steps = tuple(PlannedStep(**_known(PlannedStep, step)) for step in value["steps"])
        return cls(**{**_known(cls, value), "steps": steps})

    def fingerprint(self) -> str:
        """SHA-256 of the canonical plan, hex: tells whether two runs follow the same one."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()

    def deadline_from(self, moment: datetime) -> datetime | None:
        """When a round that begins at `moment` must be over; None: it may take as long as it takes."""
        return None if self.deadline is None else moment + timedelta(seconds=self.deadline)

    def step(self, position: int) -> PlannedStep:
        return self.steps[position]


def _known(kind: type[Any], value: dict[str, Any]) -> dict[str, Any]:
    return {field.name: value[field.name] for field in fields(kind) if field.name in value}


def freeze(workflow: Workflow) -> Plan:
    """The plan of a run that starts now."""
    places = [
        (stage, branch, node)
        for stage, declared in enumerate(workflow.stages)
        for branch, nodes in enumerate(branches_of(declared))
        for node in nodes
    ]
    return Plan(
        on_failure=workflow.on_failure,
        deadline=workflow.deadline,
        retry_budget=workflow.retry_budget,
        steps=tuple(
            _planned(node, position=position, stage=stage, branch=branch)
            for position, (stage, branch, node) in enumerate(places)
        ),
    )


def _planned(node: Node, *, position: int, stage: int, branch: int) -> PlannedStep:
    place: dict[str, Any] = {"position": position, "stage": stage, "branch": branch}
    if isinstance(node, Wait):
        return PlannedStep(
            **place,
            name=node.name,
            title=node.title,
            kind=StepKind.WAIT.value,
            on_timeout=node.on_timeout,
            timeout=node.timeout,
            queue="",
            idle_timeout=None,
            attempts=1,
            base=1.0,
            cap=1.0,
            has_undo=False,
            streams_items=False,
        )
    step: Step[Any] = node.step if isinstance(node, FanOut) else node
    return PlannedStep(
        **place,
        name=step.name,
        title=step.title,
        kind=StepKind.FAN_OUT.value if isinstance(node, FanOut) else StepKind.STEP.value,
        over=node.over.name if isinstance(node, FanOut) else None,
        queue=step.queue,
        timeout=step.timeout,
        idle_timeout=step.idle_timeout,
        attempts=step.retry.attempts,
        base=step.retry.base,
        cap=step.retry.cap,
        has_undo=step.undo_handler is not None,
        streams_items=step.items is not None,
        pivot=step.pivot,
        retry_only=step.retry_only,
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
    """Positions that one chain may carry from `start` on: at most `limit`, and never across a fork or a join.

    A wait or a fan-out ends it too: neither is a message.
    """
    carried = [start]
    for here, following in zip(plan.steps[start:], plan.steps[start + 1 :], strict=False):
        crosses = here.stage != following.stage and (
            _is_parallel(plan, here.stage) or _is_parallel(plan, following.stage)
        )
        if crosses or here.branch != following.branch or len(carried) >= limit:
            break
        if following.kind != StepKind.STEP:
            break
        carried.append(following.position)
    return carried


def and_after(plan: Plan, position: int) -> list[int]:
    """The step at `position` and all that comes after it: later in its branch, and in later stages."""
    here = plan.step(position)
    return [
        step.position
        for step in plan.steps
        if step.stage > here.stage
        or (step.stage == here.stage and step.branch == here.branch and step.position >= position)
    ]


def _is_parallel(plan: Plan, stage: int) -> bool:
    return len({step.branch for step in plan.steps if step.stage == stage}) > 1
