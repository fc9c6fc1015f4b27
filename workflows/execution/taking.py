"""What a body yields, as the item that is to be written."""

from typing import Any

from pydantic import BaseModel

from outbox import wire
from workflows.conf import conf
from workflows.definitions import Step
from workflows.engine.items import NewItem, Repaired, item_key
from workflows.engine.storable import NotStorable, storable_model
from workflows.errors import Fatal


def new_item(item: Any, step: Step[Any], *, repaired: Repaired | None) -> NewItem:
    """Raises Fatal for what the step does not declare, and for what no row takes."""
    declared = step.items
    if declared is None or not isinstance(item, declared):
        wanted = declared.__name__ if declared else "nothing"
        raise Fatal(f"The step {step.name} yields {wanted}, not {type(item).__name__}.", code="wrong-item")
    try:
        value = storable_model(item)
    except NotStorable as error:
        raise Fatal(f"An item of {step.name} holds {error}.", code="not-storable") from None
    size, limit = len(wire.encode(value)), conf().item_max_bytes
    if size > limit:
        raise Fatal(
            f"An item of {step.name} has {size} bytes, the limit is {limit}: "
            "store the bulk, yield a reference.",
            code="item-too-large",
        )
    key = item_key(value, field=step.item_key and _name_in_json(declared, step.item_key))
    return NewItem(key=key, type=declared.__name__, value=value, repaired=repaired)


def _name_in_json(model: type[BaseModel], field: str) -> str:
    return model.model_fields[field].serialization_alias or field
