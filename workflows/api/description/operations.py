"""How an address is described: apps register their operations, by method and path as OpenAPI writes it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Schema = dict[str, Any]
Body = Any  # what pydantic makes a schema of: a model, a union of models; or a schema as it is


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """Of the query, unless `location` says header. many: it may come several times."""

    name: str
    schema: Schema
    description: str
    many: bool = False
    location: str = "query"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """content: by media type; empty: no body. headers: names of those in HEADERS that it may have."""

    description: str
    content: Mapping[str, Body] = field(default_factory=dict)
    headers: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Operation:
    """id: of the operation, for generated clients. body: by media type. problems: slugs beside those that follow from
    what it takes. is_public: for callers who are not signed in, too.
    """

    id: str
    tag: str
    summary: str
    answers: Mapping[int, Answer]
    parameters: Sequence[Parameter] = ()
    body: Mapping[str, Body] | None = None
    body_required: bool = True
    problems: Sequence[str] = ()
    is_public: bool = False


Operations = Mapping[tuple[str, str], Operation]
HEADERS: dict[str, Schema] = {
    "ETag": {"description": "of this answer; for `If-None-Match`", "schema": {"type": "string"}},
    "Link": {"description": '`rel="next"`: the next page, where there is one', "schema": {"type": "string"}},
    "Location": {"description": "of the run's snapshot", "schema": {"type": "string"}},
    "Retry-After": {"description": "seconds after which to ask again", "schema": {"type": "integer"}},
    "Idempotency-Replayed": {
        "description": "`true`: this is the answer to an earlier request of this key",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "Content-Disposition": {"description": "a file to keep", "schema": {"type": "string"}},
}
# What is in an address, by the name that the URL configuration gives it.
PATH_PARTS = {
    "run_id": "id of the run",
    "link_id": "`id` of the share link",
    "secret": "of a share link, as its `url` has it",
    "step": "name of the step; `score[3]` is a part of a fan-out",
    "name": "name of the workflow, or of the wait",
}
JSON = "application/json"

_providers: list[Callable[[], Operations]] = []


def register(provider: Callable[[], Operations]) -> None:
    """provider: called whenever the description is made, so that it may read settings."""
    if provider not in _providers:
        _providers.append(provider)


def operations() -> dict[tuple[str, str], Operation]:
    """All of them. Raises ValueError when two apps describe one operation."""
    found: dict[tuple[str, str], Operation] = {}
    for provider in _providers:
        for key, operation in provider().items():
            if found.setdefault(key, operation) != operation:
                raise ValueError(f"{' '.join(key)} is described twice")
    return found


def answers_json(model: Body, description: str, *headers: str) -> dict[int, Answer]:
    return {200: Answer(description=description, content={JSON: model}, headers=headers)}


def whole(low: int, high: int, default: int | None = None) -> Schema:
    schema: Schema = {"type": "integer", "minimum": low, "maximum": high}
    return schema if default is None else {**schema, "default": default}


def text(**more: Any) -> Schema:
    return {"type": "string", **more}
