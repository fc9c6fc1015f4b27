"""The OpenAPI document as its page shows it: operations by tag, types in words, schemas to look up."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

Schema = Mapping[str, Any]
BOUNDS = {
    "minimum": "from {}",
    "maximum": "to {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "pattern": "as {}",
    "default": "default {}",
}


def sections(document: Schema) -> list[dict[str, Any]]:
    """`{tag, operations}` in the order of the document, and the schemas under the tag "Schemas"."""
    by_tag: dict[str, list[dict[str, Any]]] = {}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            shown = _operation(method.upper(), path, operation)
            by_tag.setdefault(operation["tags"][0], []).append(shown)
    found: list[dict[str, Any]] = [
        {"tag": tag, "operations": operations} for tag, operations in by_tag.items()
    ]
    schemas = document["components"]["schemas"]
    return [*found, {"tag": "Schemas", "schemas": [_model(name, schemas[name]) for name in sorted(schemas)]}]


def _operation(method: str, path: str, operation: Schema) -> dict[str, Any]:
    parameters = [
        {
            "name": parameter["name"],
            "place": parameter["in"],
            "type": words(parameter["schema"]),
            "description": prose(parameter.get("description", "")),
        }
        for parameter in operation.get("parameters", ())
    ]
    return {
        "method": method,
        "path": path,
        "id": operation["operationId"],
        "summary": operation["summary"],
        "is_public": "security" not in operation,
        "parameters": parameters,
        "body": list(_contents(operation.get("requestBody", {}))),
        "answers": [
            {
                "status": status,
                "description": prose(answer["description"]),
                "contents": list(_contents(answer)),
            }
            for status, answer in operation["responses"].items()
        ],
    }


def _contents(of: Schema) -> Iterator[dict[str, Any]]:
    for media_type, content in of.get("content", {}).items():
        yield {"media_type": media_type, "type": words(content["schema"])}


def _model(name: str, schema: Schema) -> dict[str, Any]:
    required = schema.get("required", ())
    fields = [
        {
            "name": field,
            "type": words(part),
            "description": prose(part.get("description", "")),
            "may_be_absent": field not in required,
        }
        for field, part in schema.get("properties", {}).items()
    ]
    return {
        "name": name,
        "description": prose(schema.get("description", "")),
        "fields": fields,
        "enum": schema.get("enum", ()),
    }


def words(schema: Schema) -> SafeString:
    """A type as people say it; a schema of its own as a link to it."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return format_html('<a href="#schema-{}">{}</a>', name, name)
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return format_html_join(" or ", "{}", ((words(part),) for part in schema[several]))
    if "allOf" in schema:
        return words(schema["allOf"][0])
    if "enum" in schema:
        return format_html_join(", ", "<code>{}</code>", ((value,) for value in schema["enum"]))
    if "const" in schema:
        return format_html("<code>{}</code>", schema["const"])
    if schema.get("type") == "array":
        return format_html("list of {}", words(schema.get("items", {})))
    return format_html("{}", _plain(schema))


def prose(text: str) -> SafeString:
    """A sentence with names between backticks."""
    parts = text.split("`")
    return format_html_join(
        "",
        "{}",
        ((format_html("<code>{}</code>", part) if at % 2 else part,) for at, part in enumerate(parts)),
    )


def _plain(schema: Schema) -> str:
    named = str(schema.get("type", "any JSON"))
    if "format" in schema:
        named += f" ({schema['format']})"
    bounds = [phrase.format(_said(schema[name])) for name, phrase in BOUNDS.items() if name in schema]
    return ", ".join([named, *bounds])


def _said(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
