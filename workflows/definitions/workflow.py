"""A workflow: a named, versioned order of steps."""

from collections.abc import Callable, Sequence
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel

from workflows.definitions import registry
from workflows.definitions.budget import Budget
from workflows.definitions.stages import FanOut, Stage, branches_of
from workflows.definitions.step import Step
from workflows.definitions.validate import refuse_nonsense
from workflows.definitions.waiting import Wait

OnFailure = Literal["stop", "compensate"]


class Workflow:
    """A definition, registered by name and version when its module is imported.

    input: the model that `start()` validates. title: a template over the input's fields, "Analysis of {filename}".
    on_failure: "stop" keeps what is done and waits for an operator; "compensate" undoes it, newest first.
    deadline: seconds from the start of a run after which whatever is unfinished fails. retry_budget: retries that all
    steps of a run may spend together in a round, so that a sick service is not asked attempts × steps times.
    budget: what a run may use of models, all rounds together. It is not frozen when a run starts: raised here, a run
    that it stopped goes on when it is retried.
    erase: `erase(run_id, input)` removes what the steps and the upload left outside the engine, called by
    `services.erase` after the run has ended; it may be called twice.
    trusted_input: the input names things that only the application may name (a stored file), so nobody starts it
    through the general API: the application has its own door.
    """

    def __init__(
        self,
        name: str,
        *,
        version: int,
        input: type[BaseModel],
        title: str,
        steps: Sequence[Stage],
        on_failure: OnFailure = "stop",
        deadline: float | None = None,
        retry_budget: int | None = None,
        budget: Budget | None = None,
        erase: Callable[[UUID, Any], None] | None = None,
        trusted_input: bool = False,
    ) -> None:
        self.name = name
        self.version = version
        self.input = input
        self.title = title
        self.stages = tuple(steps)
        self.on_failure = on_failure
        self.deadline = deadline
        self.retry_budget = retry_budget
        self.budget = budget
        self.erase = erase
        self.trusted_input = trusted_input
        refuse_nonsense(self)
        registry.register(self)

    @property
    def nodes(self) -> list[Step[Any] | Wait[Any] | FanOut]:
        """All steps, waits and fan-outs, in the order of their positions."""
        return [node for stage in self.stages for branch in branches_of(stage) for node in branch]

    @property
    def steps(self) -> tuple[Step[Any], ...]:
        """What has a handler, in order."""
        bare = (node.step if isinstance(node, FanOut) else node for node in self.nodes)
        return tuple(node for node in bare if isinstance(node, Step))

    @property
    def waits(self) -> tuple[Wait[Any], ...]:
        return tuple(node for node in self.nodes if isinstance(node, Wait))

    def step(self, name: str) -> Step[Any]:
        """The step of this name. Raises KeyError."""
        for step in self.steps:
            if step.name == name:
                return step
        raise KeyError(name)

    def feeds_fan_out(self, name: str) -> bool:
        """Whether a later stage has a part for each item of this step."""
        return any(isinstance(node, FanOut) and node.over.name == name for node in self.nodes)

    def wait(self, name: str) -> Wait[Any]:
        """The wait of this name. Raises KeyError."""
        for wait in self.waits:
            if wait.name == name:
                return wait
        raise KeyError(name)

    def title_for(self, value: BaseModel) -> str:
        """The title of a run with this input."""
        fields = {name: getattr(value, name) for name in type(value).model_fields}
        return self.title.format(**fields)

    def __repr__(self) -> str:
        return f"<workflow {self.name} v{self.version}>"
