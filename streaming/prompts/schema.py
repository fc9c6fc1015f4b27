"""A Pydantic model's JSON Schema in the fewest tokens that say it."""

import json
from typing import Any

from pydantic import BaseModel


def compact_schema(model: type[BaseModel]) -> str:
    """In one line. Docstrings of models and descriptions of fields stay: they are part of the prompt."""
    return compact(_without_titles(model.model_json_schema()))


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _without_titles(schema: Any) -> Any:
    """The schema without the titles that Pydantic derives from names: tokens that say nothing new."""
    match schema:
        case dict():
            kept = {key: value for key, value in schema.items() if key != "title"}
            return {key: _keyword(key, value) for key, value in kept.items()}
        case list():
            return [_without_titles(member) for member in schema]
    return schema


def _keyword(key: str, value: Any) -> Any:
    match key:
        case "properties" | "$defs":
            # The keys of these are names of fields and models: a field may well be called "title".
            return {name: _without_titles(schema) for name, schema in value.items()}
        case "default" | "examples" | "enum" | "const":
            return value  # values, not schemas
    return _without_titles(value)
