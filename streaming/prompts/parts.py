"""The paths of a document in words, each held against the model's schema: one that leads nowhere finds nothing."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from streaming.parsers.paths import ANY, ELEMENT, Node, tree_of

Schema = Mapping[str, Any]
ANYTHING: Schema = {}  # JSON Schema's word for a value of any kind
KINDS = ("properties", "additionalProperties", "items", "prefixItems")


def parts_of(model: type[BaseModel], paths: Iterable[str | Sequence[str]]) -> list[str]:
    """`findings.item.title` as `findings[].title`; nothing for the document as a whole.

    Raises ParserError for paths that no parser takes, ValueError for one that leads nowhere in the model.
    """
    schema = model.model_json_schema()
    return list(_Parts(model.__name__, schema.get("$defs", {})).below(tree_of(paths), [schema], ""))


class _Parts:
    def __init__(self, name: str, definitions: Mapping[str, Schema]) -> None:
        self._name = name
        self._definitions = definitions

    def below(self, node: Node, schemas: Sequence[Schema], label: str) -> Iterator[str]:
        """schemas: what may stand here."""
        if node.path is not None and label:
            yield label.removeprefix(".")
        kinds = [kind for schema in schemas for kind in self._kinds(schema)]
        for step, following in node.members.items():
            found = [inner for kind in kinds for inner in _inner(kind, step)]
            if not found:
                raise ValueError(
                    f"No path leads on to {step!r} at {label.removeprefix('.') or 'the top'} of {self._name}. "
                    "Take the names as they stand in the JSON, and `item` for each element of a list."
                )
            is_element = step == ELEMENT and not any(step in kind.get("properties", ()) for kind in kinds)
            yield from self.below(following, found, label + ("[]" if is_element else f".{step}"))

    def _kinds(self, schema: Schema) -> Iterator[Schema]:
        """The schema without references and alternatives."""
        if "$ref" in schema:
            yield from self._kinds(self._definitions[schema["$ref"].rpartition("/")[2]])
        for word in ("anyOf", "oneOf", "allOf"):
            for alternative in schema.get(word, ()):
                yield from self._kinds(alternative)
        if "$ref" not in schema and not any(word in schema for word in ("anyOf", "oneOf", "allOf")):
            yield schema


def _inner(kind: Schema, step: str) -> Iterator[Schema]:
    """What a step leads to in a value of this kind."""
    if "type" not in kind and not any(word in kind for word in KINDS):
        yield ANYTHING
        return
    members: Mapping[str, Schema] = kind.get("properties", {})
    if step == ANY:
        yield from members.values()
    elif step in members:
        yield members[step]
    others = kind.get("additionalProperties", False)
    if others is not False and step not in members:
        yield ANYTHING if others is True else others
    if step == ELEMENT:
        yield from kind.get("prefixItems", ())
        if "items" in kind:
            yield kind["items"]
