"""A workflow: a named, versioned order of steps."""

import string
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel

from workflows.definitions import registry
from workflows.definitions.step import Step
from workflows.errors import DefinitionError

OnFailure = Literal["stop", "compensate"]


class Workflow:
    """A definition, registered by name and version when its module is imported.

    input: the model that `start()` validates. title: a template over the input's fields, "Analysis of {filename}".
    on_failure: "stop" keeps what is done and waits for an operator; "compensate" undoes it, newest first.
    """

    def __init__(
        self,
        name: str,
        *,
        version: int,
        input: type[BaseModel],
        title: str,
        steps: Sequence[Step[Any]],
        on_failure: OnFailure = "stop",
    ) -> None:
        self.name = name
        self.version = version
        self.input = input
        self.title = title
        self.steps = tuple(steps)
        self.on_failure = on_failure
        _refuse_nonsense(self)
        registry.register(self)

    def step(self, name: str) -> Step[Any]:
        """The step of this name. Raises KeyError."""
        for step in self.steps:
            if step.name == name:
                return step
        raise KeyError(name)

    def title_for(self, value: BaseModel) -> str:
        """The title of a run with this input."""
        fields = {name: getattr(value, name) for name in type(value).model_fields}
        return self.title.format(**fields)

    def __repr__(self) -> str:
        return f"<workflow {self.name} v{self.version}>"


def _refuse_nonsense(workflow: Workflow) -> None:
    if not workflow.steps:
        raise DefinitionError(f"workflow {workflow.name} has no steps")
    for step in workflow.steps:
        if not isinstance(step, Step):
            raise DefinitionError(
                f"workflow {workflow.name}: {step!r} is not a step, decorate it with @step(title=…)"
            )
    names = [step.name for step in workflow.steps]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise DefinitionError(
            f"workflow {workflow.name} has two steps named {', '.join(sorted(twice))}: rename one"
        )
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
    if workflow.on_failure == "compensate" and not any(step.undo_handler for step in workflow.steps):
        raise DefinitionError(
            f"workflow {workflow.name}: on_failure='compensate', but no step has a compensation: declare @step.undo"
        )
