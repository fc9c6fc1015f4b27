"""The document service's addresses, described for /api/openapi.json."""

from typing import Any

from documents import problems
from workflows.api.description.operations import Answer, Operation, Operations, text
from workflows.api.description.verbs import accepted, key_parameter

FORM: dict[str, Any] = {
    "type": "object",
    "required": ["file"],
    "properties": {
        "file": {"type": "string", "format": "binary", "description": "PDF, PNG, JPEG or plain text"},
        "title": {"type": "string", "description": "what the run is called"},
    },
}


def document_operations() -> Operations:
    return {
        ("POST", "/api/analysis"): Operation(
            id="analyse_document",
            tag="Documents",
            summary="Hand in a document: start its analysis",
            answers=accepted("It is stored, and will be analysed.", "Location"),
            parameters=[key_parameter()],
            body={"multipart/form-data": FORM},
            problems=[*problems.KINDS, "overloaded"],
        ),
        **_report("html", "text/html", "to read"),
        **_report("pdf", "application/pdf", "to keep"),
    }


def _report(format: str, media_type: str, purpose: str) -> Operations:
    found = {
        200: Answer(description="The report.", content={media_type: text()}, headers=["Content-Disposition"])
    }
    login = {302: Answer(description="To a browser that is not signed in: to the page where it can.")}
    return {
        ("GET", f"/runs/{{run_id}}/report.{format}"): Operation(
            id=f"get_report_{format}",
            tag="Documents",
            summary=f"The report of a run, {purpose}",
            answers={**found, **login},
            problems=["run-not-finished"],
        ),
        ("GET", f"/s/{{secret}}/report.{format}"): Operation(
            id=f"get_shared_report_{format}",
            tag="Documents",
            summary=f"The same, {purpose}; a share link with the scope `result`",
            answers=found,
            problems=["permission-denied", "run-not-finished"],
            is_public=True,
        ),
    }
