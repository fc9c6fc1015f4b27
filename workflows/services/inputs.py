"""What callers give, as values that fit and can be stored; else InvalidInput with a sentence for each fault."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from workflows.definitions import Workflow
from workflows.engine.storable import NotStorable, storable
from workflows.errors import InvalidInput

Valid = TypeVar("Valid", bound=BaseModel)


def validate_input(workflow: Workflow, value: BaseModel | Mapping[str, Any]) -> BaseModel:
    """The input as the workflow's model. Raises InvalidInput with a pointer and a sentence for each fault."""
    if isinstance(value, workflow.input):
        return value
    return validated(workflow.input, value, what=f"the input does not fit {workflow.name}")


def validated(model: type[Valid], value: Any, *, what: str) -> Valid:
    """`value` as `model`. Raises InvalidInput, `what` first, with a pointer and a sentence for each fault."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise refusal(error, what=what, pointer="") from error


def refusal(error: ValidationError, *, what: str, pointer: str) -> InvalidInput:
    """`what` first, then the first fault and where it is; all faults, each with its pointer below `pointer`."""
    faults = [
        (pointer + "".join(f"/{part}" for part in fault["loc"]), str(fault["type"]), str(fault["msg"]))
        for fault in error.errors()
    ]
    place, _, sentence = faults[0]
    first = f"{place}: {sentence}" if place else sentence
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return InvalidInput(f"{what}: {first}{more}", errors=faults)


def dumped(value: BaseModel, *, what: str) -> Any:
    """As a JSON value that every database takes. Raises InvalidInput, `what` first."""
    try:
        return storable(value.model_dump(mode="json", by_alias=True))
    except (
        ValueError
    ) as error:  # NotStorable; or Pydantic's own, which dumps nothing that is nested too deeply
        raise unstorable(error, what=what, pointer="") from error


def to_store(value: Any, *, what: str) -> Any:
    """A JSON value as every database takes it. Raises InvalidInput, `what` first."""
    try:
        return storable(value)
    except NotStorable as error:
        raise unstorable(error, what=what, pointer="") from error


def unstorable(error: ValueError, *, what: str, pointer: str) -> InvalidInput:
    detail = f"{what}: it holds {error}" if isinstance(error, NotStorable) else f"{what}: {error}"
    return InvalidInput(detail, errors=[(pointer, "not_storable", detail)])
