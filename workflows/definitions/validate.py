"""What a workflow must not be: found at import, with the mend in the message."""

import string
from typing import TYPE_CHECKING, Any

from workflows.definitions.stages import NODES, FanOut, Node, Parallel, branches_of
from workflows.definitions.step import Step
from workflows.definitions.waiting import Wait
from workflows.errors import DefinitionError

if TYPE_CHECKING:
    from workflows.definitions.workflow import Workflow

# A century: with the longest wait for its begin a run stays far from the calendar's end.
DEADLINE_MAX_SECONDS = 3_155_760_000


def refuse_nonsense(workflow: "Workflow") -> None:
    """Raises DefinitionError for the first fault."""
    _refuse_strangers(workflow)
    _refuse_twins(workflow)
    _refuse_unknown_title(workflow)
    _refuse_bad_limits(workflow)
    _refuse_impossible_undo(workflow)
    _refuse_early_fan_out(workflow)


def _refuse_strangers(workflow: "Workflow") -> None:
    if not workflow.stages:
        raise DefinitionError(f"workflow {workflow.name} has no steps")
    for stage in workflow.stages:
        if not isinstance(stage, (*NODES, Parallel)):
            raise DefinitionError(
                f"workflow {workflow.name}: {stage!r} is not a step, decorate it with @step(title=…)"
            )


def _refuse_twins(workflow: "Workflow") -> None:
    names = [node.name for node in workflow.nodes]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise DefinitionError(
            f"workflow {workflow.name} has two steps named {', '.join(sorted(twice))}: rename one"
        )


def _refuse_unknown_title(workflow: "Workflow") -> None:
    unknown = {
        field
        for _, field, _, _ in string.Formatter().parse(workflow.title)
        if field is not None and field not in workflow.input.model_fields
    }
    if unknown:
        raise DefinitionError(
            f"workflow {workflow.name}: its title speaks of {', '.join(sorted(unknown))}, "
            f"but {workflow.input.__name__} has {', '.join(workflow.input.model_fields)}"
        )


def _refuse_bad_limits(workflow: "Workflow") -> None:
    if workflow.deadline is not None and not 0 < workflow.deadline <= DEADLINE_MAX_SECONDS:
        raise DefinitionError(
            f"workflow {workflow.name}: deadline is seconds above 0, {DEADLINE_MAX_SECONDS} at most"
        )
    if workflow.retry_budget is not None and workflow.retry_budget < 0:
        raise DefinitionError(f"workflow {workflow.name}: retry_budget is a number of retries, 0 or more")
    if workflow.on_failure not in ("stop", "compensate"):
        raise DefinitionError(f"workflow {workflow.name}: on_failure is 'stop' or 'compensate'")


def _refuse_impossible_undo(workflow: "Workflow") -> None:
    """Undoable steps, then at most one pivot, then retry-only ones: another order strands a run half undone.

    Source: H. Garcia-Molina and K. Salem, "Sagas", SIGMOD 1987; the three kinds: Mehrotra et al., 1992.
    """
    if workflow.on_failure == "compensate" and not any(step.undo_handler for step in workflow.steps):
        raise DefinitionError(
            f"workflow {workflow.name}: on_failure='compensate', but no step has a compensation: declare @step.undo"
        )
    turned: Step[Any] | None = None  # the step after which nothing can be undone any more
    for stage in workflow.stages:
        nodes = [node for branch in branches_of(stage) for node in branch]
        steps = [step for step in map(_step_of, nodes) if isinstance(step, Step)]
        final = [step for step in steps if step.pivot or step.retry_only]
        if final and final[0].pivot and (len(steps) > 1 or any(isinstance(node, FanOut) for node in nodes)):
            raise DefinitionError(
                f"workflow {workflow.name}: {final[0].name} is a pivot, so it stands alone in its stage: "
                "a sibling could fail after it is done"
            )
        turned = turned or (final[0] if final else None)
        given_up = next((node for node in nodes if _step_of(node) is not turned and _may_give_up(node)), None)
        if turned is not None and given_up is not None:
            mend = "on_timeout='continue'" if isinstance(given_up, Wait) else "retry_only=True"
            raise DefinitionError(
                f"workflow {workflow.name}: {given_up.name} comes after or beside {turned.name}, which cannot be "
                f"undone, so it must not be given up: declare {mend}, or move it before"
            )


def _step_of(node: Node) -> Step[Any] | Wait[Any]:
    return node.step if isinstance(node, FanOut) else node


def _may_give_up(node: Node) -> bool:
    step = _step_of(node)
    return step.on_timeout == "fail" if isinstance(step, Wait) else not step.retry_only


def _refuse_early_fan_out(workflow: "Workflow") -> None:
    done: list[str] = []
    for stage in workflow.stages:
        for branch in branches_of(stage):
            before = list(done)
            for node in branch:
                if isinstance(node, FanOut) and node.over.name not in before:
                    raise DefinitionError(
                        f"workflow {workflow.name}: fan_out({node.name}, over={node.over.name}): "
                        f"{node.over.name} must come before it"
                    )
                before.append(node.name)
        done += [node.name for branch in branches_of(stage) for node in branch]
    fanned = {node.name for node in workflow.nodes if isinstance(node, FanOut)}
    for node in workflow.nodes:
        if isinstance(node, FanOut) and node.over.name in fanned:
            raise DefinitionError(
                f"workflow {workflow.name}: fan_out({node.name}, over={node.over.name}): "
                f"{node.over.name} is fanned out itself; gather its results in a step between"
            )
