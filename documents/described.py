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
        **_report("html", "text/html", "The report of a run, to read"),
        **_report("pdf", "application/pdf", "The report of a run, to keep"),
    }


def _report(format: str, media_type: str, summary: str) -> Operations:
    answers = {
        200: Answer(description="The report.", content={media_type: text()}, headers=["Content-Disposition"]),
        302: Answer(description="To a browser that is not signed in: to the page where it can."),
    }
    return {
        ("GET", f"/runs/{{run_id}}/report.{format}"): Operation(
            id=f"get_report_{format}",
            tag="Documents",
            summary=summary,
            answers=answers,
            problems=["run-not-finished"],
        )
    }
