"""JSON Schemas of what is told of a run: of each event with its envelope, made from the registry, and of each control.

They are open, since members may be added; `closed` ones, for the suite, allow nothing that is not described.
"""

from typing import Any

from pydantic.json_schema import models_json_schema

from workflows.events import TYPES, EventData

Schema = dict[str, Any]

WHOLE: Schema = {"type": "integer", "minimum": 0}
NAME: Schema = {"type": "string", "minLength": 1}
UUID_TEXT: Schema = {"type": "string", "format": "uuid"}
# Of streams: members besides `type`. A client that does not know a control ignores it.
CONTROLS: dict[str, tuple[str, Schema]] = {
    "hello": (
        "The first word of a stream: where it begins and how far the log has come. `full`: every number will come.",
        {"run": UUID_TEXT, "from": WHOLE, "head": WHOLE, "epoch": WHOLE, "full": {"type": "boolean"}, "hb_ms": WHOLE},
    ),
    "caught_up": ("What follows is live.", {"seq": WHOLE}),
    "hb": ("A heartbeat: every event up to `head` was told before.", {"head": WHOLE, "epoch": WHOLE}),
    "gap": ("The log itself has nothing (any more) between the two.", {"after": WHOLE, "before": WHOLE}),
    "end": (
        "The run ended its round in `state`, with the event `last_seq`. null: it goes on, the answer does not.",
        {"last_seq": WHOLE, "state": {"type": ["string", "null"]}},
    ),
    "reset": (
        "What you have is not of this log: read the snapshot at this address, and start anew.",
        {"head": WHOLE, "epoch": WHOLE, "snapshot": NAME},
    ),
    "bye": ("The stream ends for the server's reasons: come back with the same cursor.", {"retry_ms": WHOLE}),
    "error": ("The run is not there, or not yours any more.", {"problem": {"$ref": "#/components/schemas/Problem"}}),
}  # fmt: skip


def data_schemas() -> tuple[dict[str, Schema], Schema]:
    """Of the `data` of each type as reference, and the schemas that are referred to, by name; open."""
    models = sorted(TYPES.values(), key=lambda model: model.TYPE)
    references, whole = models_json_schema(
        [(model, "serialization") for model in models], ref_template="#/components/schemas/{model}"
    )
    by_type = {model.TYPE: references[model, "serialization"] for model in models}
    return by_type, {name: opened(schema) for name, schema in whole["$defs"].items()}


def envelope_schema(kind: type[EventData], data: Schema) -> Schema:
    """Of the whole event. An ephemeral one has no number and no id, so that it can never move a cursor."""
    numbered = {} if kind.EPHEMERAL else {"seq": {"type": "integer", "minimum": 1}, "id": UUID_TEXT}
    always: Schema = {
        "v": {"const": 1},
        **numbered,
        "type": {"const": kind.TYPE},
        "run": UUID_TEXT,
        "time": {"type": "string", "format": "date-time"},
        "data": data,
    }
    sometimes = {"step": NAME, "attempt": {"type": "integer", "minimum": 0}}
    return {"type": "object", "required": list(always), "properties": {**always, **sometimes}}


def closed_schema(kind: type[EventData]) -> Schema:
    """Of an event of this type as this version writes it, and nothing else."""
    data = kind.model_json_schema(mode="serialization")
    parts = {"$defs": data.pop("$defs", {})}
    return {**envelope_schema(kind, data), **parts, "additionalProperties": False}


def control_schema(name: str, members: Schema) -> Schema:
    properties = {"type": {"const": name}, **members}
    return {"type": "object", "required": list(properties), "properties": properties}


def opened(schema: Any) -> Any:
    """Without `additionalProperties: false`: what is added later is no error of today's readers."""
    if isinstance(schema, list):
        return [opened(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: opened(part)
        for name, part in schema.items()
        if not (name == "additionalProperties" and part is False)
    }
