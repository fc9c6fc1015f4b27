"""The addresses of the service itself, described for /api/openapi.json."""

from typing import Any

from workflows.api.description.operations import JSON, Answer, Operation, Operations, answers_json

WORD: dict[str, Any] = {"type": "string"}
HEALTH: dict[str, Any] = {"type": "object", "required": ["status"], "properties": {"status": WORD}}
READINESS: dict[str, Any] = {
    "type": "object",
    "required": ["status", "database", "redis"],
    "properties": {"status": WORD, "database": WORD, "redis": WORD},
}
DOCUMENT: dict[str, Any] = {"type": "object"}


def service_operations() -> Operations:
    away = Answer(description="A part that it needs is away; the body says which.", content={JSON: READINESS})
    return {
        ("GET", "/healthz"): _public("healthz", "Whether this process answers", answers_json(HEALTH, "It does.")),
        ("GET", "/readyz"): _public(
            "readyz",
            "Whether the database and Redis answer too",
            {**answers_json(READINESS, "They do."), 503: away},
        ),
        ("GET", "/api/openapi.json"): _public(
            "openapi", "This description", answers_json(DOCUMENT, "OpenAPI 3.1.", "ETag")
        ),
        ("GET", "/api/asyncapi.json"): _public(
            "asyncapi", "Streams and sockets, described", answers_json(DOCUMENT, "AsyncAPI 3.", "ETag")
        ),
    }  # fmt: skip


def _public(id: str, summary: str, answers: dict[int, Answer]) -> Operation:
    return Operation(id=id, tag="Service", summary=summary, answers=answers, is_public=True)
