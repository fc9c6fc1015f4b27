"""The writes of the API, described."""

from collections.abc import Sequence
from typing import Any

from workflows.api import requests
from workflows.api.description.answers import RunSnapshot
from workflows.api.description.operations import JSON, Answer, Operation, Operations, Parameter, text
from workflows.conf import conf

STATE_PROBLEMS = ("invalid-transition", "unique-key-conflict")


def key_parameter() -> Parameter:
    return Parameter(
        name=requests.KEY_HEADER,
        schema=text(minLength=1, maxLength=conf().key_max_chars),
        description="the same request again under this key is answered as the first was, for a day",
        location="header",
    )


def accepted(description: str, *headers: str) -> dict[int, Answer]:
    return {
        202: Answer(
            description=description,
            content={JSON: RunSnapshot},
            headers=(*headers, "Idempotency-Replayed"),
        )
    }


def write_operations() -> Operations:
    return {
        ("POST", "/api/v1/runs"): Operation(
            id="start_run",
            tag="Runs",
            summary="Start a run of a workflow",
            answers=accepted("It is stored, and will be worked on.", "Location"),
            parameters=[key_parameter()],
            body={JSON: requests.StartBody},
            problems=["unknown-workflow", "unique-key-conflict", "overloaded"],
        ),
        ("DELETE", "/api/v1/runs/{run_id}"): Operation(
            id="erase_run",
            tag="Runs",
            summary="Erase an ended run with all that it holds",
            answers={204: Answer(description="It is gone.")},
            parameters=[key_parameter()],
            body={JSON: requests.Body},
            body_required=False,
            problems=["invalid-transition", "overloaded"],
        ),
        **_verb("cancel", "Stop a run, and undo or keep what is done", requests.CancelBody),
        **_verb("retry", "Let a failed or cancelled run go on", requests.RetryBody),
        **_verb("rerun", "Run it again, as a new run", requests.RerunBody, "Location"),
        **_verb("compensate", "Undo what is done, newest first", requests.Body),
        **_verb("skip", "Go on without a step", requests.SkipBody, path="steps/{step}/skip"),
        **_verb("signal", "Answer a waiting step", _any_json(), path="signals/{name}"),
    }


def _verb(name: str, summary: str, body: Any, *headers: str, path: str = "") -> Operations:
    problems: Sequence[str] = [*STATE_PROBLEMS, "unknown-workflow", "overloaded"]
    return {
        ("POST", f"/api/v1/runs/{{run_id}}/{path or name}"): Operation(
            id=f"{name}_run" if not path else {"skip": "skip_step", "signal": "signal_run"}[name],
            tag="Verbs",
            summary=summary,
            answers=accepted("Done; the answer is the run as it is then.", *headers),
            parameters=[key_parameter()],
            body={JSON: body},
            body_required=False,
            problems=problems,
        )
    }


def _any_json() -> dict[str, Any]:
    return {"description": "the answer itself, as the wait's schema asks for; see the workflow"}
