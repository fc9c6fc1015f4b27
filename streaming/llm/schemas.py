"""A JSON Schema as providers of structured output take it.

The strict mode of OpenAI and of those that copy it wants every object closed and every property required, and refuses
keywords that it cannot turn into a grammar; which ones differs from provider to provider. So only what all of them know
is sent. What is left out (bounds, patterns, lengths) stands in the prompt and is checked on every item all the same.
Pure: the schema given is not changed.
"""

import re
from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]

KEPT = ("type", "description", "enum")
MAX_NAME_CHARS = 64


class NotStrict(Exception):
    """The schema says something that a strict grammar cannot: free keys, tuples, several schemas at once."""


def response_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The `json_schema` of a request: strict where the schema allows it, as it is where it does not."""
    name = re.sub(r"[^A-Za-z0-9_-]", "_", str(schema.get("title") or "answer"))[:MAX_NAME_CHARS]
    try:
        return {"name": name, "strict": True, "schema": strict(schema)}
    except NotStrict:
        return {"name": name, "strict": False, "schema": dict(schema)}


def strict(schema: Mapping[str, Any]) -> Schema:
    """Raises NotStrict."""
    definitions = schema.get("$defs") or {}
    root = schema
    for _ in definitions:  # of a recursive model: the root must be an object, not a way to one
        root = definitions.get(_name(root["$ref"]), {}) if "$ref" in root else root
    if root.get("type") != "object":
        raise NotStrict("the answer is no object")
    result = _strict(root)
    if definitions:
        result["$defs"] = {name: _strict(member) for name, member in definitions.items()}
    return result


def _strict(schema: Mapping[str, Any]) -> Schema:
    match schema:
        case {"$ref": reference}:
            _name(reference)
            return {"$ref": reference}  # nothing may stand beside it
        case {"allOf": [only]}:
            return _strict({**only, **{key: value for key, value in schema.items() if key != "allOf"}})
        case {"allOf": _} | {"prefixItems": _} | {"not": _} | {"if": _} | {"patternProperties": _}:
            raise NotStrict("a form that only some providers know")
        case {"anyOf": members} | {"oneOf": members}:
            return {**_kept(schema), "anyOf": [_strict(_given(member)) for member in members]}
    result = _kept(schema)
    if "const" in schema:
        result["enum"] = [schema["const"]]
    if isinstance(kinds := schema.get("type"), list) and {"object", "array"} & set(kinds):
        raise NotStrict("several kinds at once, one of them with members")
    if schema.get("type") == "object":
        result |= _object(schema)
    if schema.get("type") == "array":
        result["items"] = _strict(_given(schema.get("items")))
    if not result.keys() & {"type", "enum"}:
        raise NotStrict("anything goes somewhere")
    return result


def _object(schema: Mapping[str, Any]) -> Schema:
    properties = schema.get("properties") or {}
    # A dictionary with keys of the model's own: closed, it could only be empty.
    if schema.get("additionalProperties") not in (None, False) or not properties:
        raise NotStrict("an object with free keys")
    return {
        "properties": {name: _strict(_given(member)) for name, member in properties.items()},
        "required": list(properties),
        "additionalProperties": False,
    }


def _kept(schema: Mapping[str, Any]) -> Schema:
    return {key: schema[key] for key in KEPT if key in schema}


def _given(schema: Any) -> Mapping[str, Any]:
    """`true` and nothing at all are schemas too: of anything."""
    return schema if isinstance(schema, Mapping) else {}


def _name(reference: str) -> str:
    where, _, name = reference.rpartition("/")
    if where != "#/$defs":
        raise NotStrict("a reference that leads elsewhere")
    return name
