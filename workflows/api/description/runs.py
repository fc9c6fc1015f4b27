"""The reads of the API, described."""

from typing import Any

from streaming.conf import conf as streaming_conf
from workflows.api.description.answers import (
    AttemptList,
    EventPage,
    ItemPage,
    RunPage,
    RunSnapshot,
    StepPage,
    WorkflowDetail,
    WorkflowList,
)
from workflows.api.description.operations import (
    JSON,
    Answer,
    Operation,
    Operations,
    Parameter,
    Schema,
    answers_json,
    text,
    whole,
)
from workflows.api.description.result_answers import ResultPart, ResultWhole
from workflows.api.workflows import VERSION_MAX
from workflows.conf import conf
from workflows.states import RunState

NDJSON, CSV, SSE = "application/x-ndjson", "text/csv", "text/event-stream"
# `418`, or `epoch.seq` such as `2.418` once the log was restored from a backup.
CURSOR = text(pattern=r"^([1-9][0-9]{0,9}\.)?[0-9]{1,18}$")
MOMENT = text(format="date-time")
IF_NONE_MATCH = Parameter(
    name="If-None-Match",
    schema=text(),
    description="an `ETag` that you have: 304 if it still holds",
    location="header",
)
# As a browser gives it; `data` is an event or a control as JSON.
SSE_EVENT: Schema = {
    "type": "object",
    "properties": {
        "id": CURSOR,
        "event": text(enum=["control", "message"]),  # the latter has no name on the wire
        "data": text(),
        "retry": {"type": "integer"},
    },
}
UNCHANGED = Answer(description="What you have still holds.", headers=("ETag",))


def read_operations() -> Operations:
    return {**_workflows(), **_list(), **_run(), **_items(), **_events(), **_result()}


def _limit() -> Parameter:
    limits = conf()
    return Parameter(
        name="limit",
        schema=whole(1, limits.page_size_max, limits.page_size),
        description="of this page, at most",
    )


def _wait() -> Parameter:
    limit = streaming_conf().poll_wait_max_seconds
    description = (
        "seconds to wait for an event after `after`; without news the answer is what there is (long poll)"
    )
    return Parameter(name="wait", schema=whole(0, limit, 0), description=description)


def _workflows() -> Operations:
    tagged = {304: UNCHANGED}
    version = Parameter(
        name="version", schema=whole(0, VERSION_MAX), description="another one than the newest"
    )
    return {
        ("GET", "/api/v1/workflows"): Operation(
            id="list_workflows",
            tag="Workflows",
            summary="The workflows of this service, each in its newest version",
            answers={**answers_json(WorkflowList, "All of them.", "ETag"), **tagged},
            parameters=[IF_NONE_MATCH],
        ),
        ("GET", "/api/v1/workflows/{name}"): Operation(
            id="get_workflow",
            tag="Workflows",
            summary="A workflow with the schemas of what it takes and gives",
            answers={**answers_json(WorkflowDetail, "The workflow.", "ETag"), **tagged},
            parameters=[version, IF_NONE_MATCH],
            problems=["unknown-workflow"],
        ),
    }


def _list() -> Operations:
    parameters = [
        Parameter(
            name="state", schema=text(enum=list(RunState.values)), description="any of these", many=True
        ),
        Parameter(name="workflow", schema=text(), description="any of these names", many=True),
        Parameter(name="owner", schema=text(), description="any of these usernames", many=True),
        Parameter(name="label", schema=text(pattern="^[^:]*:"), description="name:value; all of them", many=True),
        Parameter(name="title", schema=text(), description="a part of the title"),
        Parameter(name="created_after", schema=MOMENT, description="at this moment or later"),
        Parameter(name="created_before", schema=MOMENT, description="before this moment"),
        Parameter(name="count", schema=text(enum=["estimate"]), description="count them, up to 10,000"),
        Parameter(name="cursor", schema=text(), description="`next` of the page before, as it is"),
        _limit(),
    ]  # fmt: skip
    return {
        ("GET", "/api/v1/runs"): Operation(
            id="list_runs",
            tag="Runs",
            summary="Runs that you may see, newest first",
            answers=answers_json(RunPage, "A page of runs.", "Link"),
            parameters=parameters,
        )
    }


def _run() -> Operations:
    after = Parameter(name="after", schema=CURSOR, description="with `wait`: the `seq` that you have")
    part_after = Parameter(
        name="after", schema=whole(-1, 10**6, -1), description="index of the last part you have"
    )
    parent = Parameter(name="parent", schema=text(), description="name of a fan-out: its parts instead")
    return {
        ("GET", "/api/v1/runs/{run_id}"): Operation(
            id="get_run",
            tag="Runs",
            summary="The snapshot of a run, with the seq that a stream goes on from",
            answers={**answers_json(RunSnapshot, "The run.", "ETag", "Retry-After"), 304: UNCHANGED},
            parameters=[after, _wait(), IF_NONE_MATCH],
        ),
        ("GET", "/api/v1/runs/{run_id}/steps"): Operation(
            id="list_steps",
            tag="Runs",
            summary="The steps of a run's plan, or the parts of a fan-out",
            answers=answers_json(StepPage, "Steps, in order.", "Link"),
            parameters=[parent, part_after, _limit()],
        ),
        ("GET", "/api/v1/runs/{run_id}/steps/{step}/attempts"): Operation(
            id="list_attempts",
            tag="Runs",
            summary="Every try at a step, forward and undo",
            answers=answers_json(AttemptList, "Attempts, in order."),
            problems=["validation-error"],
        ),
    }


def _items() -> Operations:
    parameters = [
        Parameter(name="step", schema=text(), description="of this step only"),
        Parameter(name="after", schema=CURSOR, description="`next` of the page before, or `last_seq` of the end line"),
        Parameter(name="include", schema=text(enum=["gone"]), description="those too that were replaced or retracted"),
        Parameter(name="format", schema=text(enum=["json", "ndjson", "csv"]), description="instead of `Accept`"),
        _limit(),
    ]  # fmt: skip
    page = Answer(
        description="JSON: a page. NDJSON and CSV: all of them, without `limit`; NDJSON closes with an `end` line.",
        content={JSON: ItemPage, NDJSON: text(), CSV: text()},
        headers=("Link", "Content-Disposition"),
    )
    return {
        ("GET", "/api/v1/runs/{run_id}/items"): Operation(
            id="list_items",
            tag="Runs",
            summary="What the steps streamed, in the order of its events",
            answers={200: page},
            parameters=parameters,
            problems=["cursor-expired"],
        )
    }


def _events() -> Operations:
    limits = streaming_conf()
    page = whole(1, limits.events_page_size_max, limits.events_page_size)
    last_id = "the same; the one further ahead counts"
    parameters = [
        Parameter(name="after", schema=CURSOR, description="the last event you have"),
        Parameter(name="Last-Event-ID", schema=text(), description=last_id, location="header"),
        Parameter(name="format", schema=text(enum=["json", "sse", "ndjson"]), description="instead of `Accept`"),
        Parameter(name="limit", schema=page, description="of JSON"),
        Parameter(name="follow", schema=text(enum=["0", "1"]), description="NDJSON: go on until the run ends"),
        _wait(),
        Parameter(name="ticket", schema=text(), description="of `/stream-tickets`, where no header can be sent"),
    ]  # fmt: skip
    log = Answer(
        description="JSON: a page. NDJSON and server-sent events: the log, then what happens; see /api/asyncapi.json.",
        content={JSON: EventPage, NDJSON: text(), SSE: SSE_EVENT},
        headers=("Link",),
    )
    return {
        ("GET", "/api/v1/runs/{run_id}/events"): Operation(
            id="read_events",
            tag="Runs",
            summary="The log of a run: a page, or a stream",
            answers={
                200: log,
                204: Answer(description="Server-sent events: the run is over, and you have it all."),
            },
            parameters=parameters,
            problems=["cursor-expired", "rate-limited", "overloaded"],
        )
    }


def _result() -> Operations:
    parameters = [
        Parameter(name="pointer", schema=text(), description="JSON Pointer of a part; empty: the root"),
        Parameter(name="depth", schema=whole(0, conf().result_depth_max, 1), description="levels of members"),
        Parameter(name="after", schema=text(), description="`next` of the page before, as it is"),
        Parameter(name="whole", schema=whole(0, 1, 0), description="1: the JSON of the part, as a file"),
        _limit(),
    ]
    return {
        ("GET", "/api/v1/runs/{run_id}/result"): Operation(
            id="get_result",
            tag="Runs",
            summary="What the run came to, or a part of it",
            answers=answers_json(
                ResultWhole | ResultPart | Any,
                "Without query: all of it. With `whole`: any JSON.",
                "Content-Disposition",
            ),
            parameters=parameters,
            problems=["run-not-finished", "result-lost", "no-such-part"],
        )
    }
