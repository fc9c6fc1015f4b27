"""What may stand at one place of a workflow's order: a step, a wait, a fan-out, or branches side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from workflows.definitions.step import Step
from workflows.definitions.waiting import Wait
from workflows.errors import DefinitionError


@dataclass(frozen=True)
class FanOut:
    """`step` once for each item of `over`; each part is durable and retried alone."""

    step: Step[Any]
    over: Step[Any]

    @property
    def name(self) -> str:
        return self.step.name


Node: TypeAlias = Step[Any] | Wait[Any] | FanOut
NODES = (Step, Wait, FanOut)


@dataclass(frozen=True)
class Parallel:
    """Branches that run side by side, each a sequence; the next stage begins when all are done."""

    branches: tuple[tuple[Node, ...], ...]


Stage: TypeAlias = Node | Parallel


def parallel(*branches: Node | Sequence[Node]) -> Parallel:
    """Run branches side by side: `parallel(score_risk, [summarise, check_summary])`."""
    if len(branches) < 2:
        raise DefinitionError("parallel(…) takes two branches or more; one alone is a plain sequence")
    as_tuples = [(branch,) if isinstance(branch, NODES) else branch for branch in branches]
    for branch in as_tuples:
        if not isinstance(branch, list | tuple) or not branch:
            raise DefinitionError(f"parallel(…): {branch!r} is no step and no list of steps")
        for node in branch:
            if not isinstance(node, NODES):
                raise DefinitionError(
                    f"parallel(…): {node!r} is not a step; a branch holds steps, waits and fan-outs"
                )
    return Parallel(tuple(tuple(branch) for branch in as_tuples))


def fan_out(step: Step[Any], *, over: Step[Any]) -> FanOut:
    """One part of `step` for each item that `over` streamed, or for each element of the list that it returned.

    A part reads its item as `ctx.item`; later steps read all results, in order, with `ctx.outputs(step)`.
    """
    for given in (step, over):
        if not isinstance(given, Step):
            raise DefinitionError(f"fan_out(…): {given!r} is not a step, decorate it with @step(title=…)")
    if step.is_streaming:
        raise DefinitionError(
            f"fan_out({step.name}): its parts are the items; a part returns, it does not yield"
        )
    if over.items is None and over.element is None:
        raise DefinitionError(
            f"fan_out({step.name}, over={over.name}): {over.name} neither streams items nor returns a list[…]"
        )
    return FanOut(step, over)


def branches_of(stage: Stage) -> tuple[tuple[Node, ...], ...]:
    """The branches of a stage: one of one node, unless it is parallel."""
    return stage.branches if isinstance(stage, Parallel) else ((stage,),)
