"""drf-spectacular's view of a view: what the registry of operations says, instead of guesses about serializers."""

from typing import Any

from drf_spectacular.drainage import warn
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from pydantic import BaseModel, TypeAdapter

from workflows.api.description.answers import Problem
from workflows.api.description.operations import (
    HEADERS,
    PATH_PARTS,
    Answer,
    Operation,
    Parameter,
    Schema,
    operations,
)
from workflows.problem_kinds import KINDS

REFERENCE = "#/components/schemas/{model}"
SECURITY: list[dict[str, list[str]]] = [{"bearer": []}, {"session": []}, {"basic": []}]
PROBLEM_TYPE = "application/problem+json"
# What another try helps with, after a while that the answer names.
PASSING = {"rate-limited", "overloaded", "run-not-finished"}


class Described(AutoSchema):
    """A path and method that nobody registered is a warning, which `make lint` and the suite take for an error."""

    def get_operation(self, path: str, path_regex: str, path_prefix: str, method: str, registry: Any) -> Any:
        self.registry, self.path, self.path_regex, self.method = registry, path, path_regex, method
        operation = operations().get((method.upper(), path))
        if operation is None:
            warn(f"{method} {path} is not described: register it with workflows.api.description.operations")
            return None
        described = {
            "operationId": operation.id,
            "summary": operation.summary,
            "tags": [operation.tag],
            "parameters": [*self._path_parameters(), *map(_parameter, operation.parameters)],
            "responses": self._responses(operation),
        }
        if operation.body is not None:
            content = {kind: {"schema": self._schema(body)} for kind, body in operation.body.items()}
            described["requestBody"] = {"content": content, "required": operation.body_required}
        if not operation.is_public:
            described["security"] = SECURITY
        return described

    def _path_parameters(self) -> list[Schema]:
        names = [part[1:-1] for part in self.path.split("/") if part.startswith("{")]
        found: list[Schema] = self._resolve_path_parameters(names)  # type: ignore[no-untyped-call]
        return [{**parameter, "description": PATH_PARTS.get(parameter["name"], "")} for parameter in found]

    def _responses(self, operation: Operation) -> Schema:
        answers = {str(status): self._answer(answer) for status, answer in operation.answers.items()}
        by_status: dict[int, list[str]] = {}
        for slug in slugs_of(operation, has_parts="{" in self.path):
            by_status.setdefault(KINDS[slug].status, []).append(slug)
        return answers | {str(status): self._problems(slugs) for status, slugs in sorted(by_status.items())}

    def _answer(self, answer: Answer) -> Schema:
        told: Schema = {"description": answer.description}
        if answer.content:
            told["content"] = {kind: {"schema": self._schema(body)} for kind, body in answer.content.items()}
        if answer.headers:
            told["headers"] = {name: HEADERS[name] for name in answer.headers}
        return told

    def _problems(self, slugs: list[str]) -> Schema:
        code = {"properties": {"code": {"enum": slugs}}}
        schema = {"allOf": [self._schema(Problem), code]}
        description = " ".join(f"`{slug}`: {KINDS[slug].title}." for slug in slugs)
        told: Schema = {"description": description, "content": {PROBLEM_TYPE: {"schema": schema}}}
        if PASSING & set(slugs):
            told["headers"] = {"Retry-After": HEADERS["Retry-After"]}
        return told

    def _schema(self, body: Any) -> Schema:
        if isinstance(body, dict):
            return body
        schema = TypeAdapter(body).json_schema(ref_template=REFERENCE)
        for name, part in schema.pop("$defs", {}).items():
            self._register(name, part)
        if isinstance(body, type) and issubclass(body, BaseModel):
            if "$ref" not in schema:  # a model that holds itself is among its parts already
                self._register(body.__name__, schema)
            return {"$ref": REFERENCE.format(model=body.__name__)}
        return schema

    def _register(self, name: str, schema: Schema) -> None:
        component = ResolvedComponent(name, ResolvedComponent.SCHEMA, schema=schema, object=name)
        self.registry.register_on_missing(component)


def slugs_of(operation: Operation, *, has_parts: bool) -> list[str]:
    """Every problem that the operation may answer with, in the order of their documentation."""
    slugs = set(operation.problems)
    if not operation.is_public:
        # The last: of wrong passwords, and of what else is limited for a caller.
        slugs |= {"not-authenticated", "permission-denied", "not-acceptable", "rate-limited"}
    if has_parts:
        slugs.add("not-found")
    if operation.parameters or operation.body is not None:
        slugs.add("validation-error")
    if operation.body is not None:
        slugs |= {"unsupported-media-type", "payload-too-large", "idempotency-key-reused"}
    return [slug for slug in KINDS if slug in slugs]


def _parameter(parameter: Parameter) -> Schema:
    schema = {"type": "array", "items": parameter.schema} if parameter.many else parameter.schema
    return {
        "name": parameter.name,
        "in": parameter.location,
        "description": parameter.description,
        "schema": schema,
    }
