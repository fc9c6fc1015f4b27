"""Parts of a result over HTTP: what is shown, how it goes on, what is refused, and how much of it is in memory."""

import json
import tracemalloc
from collections.abc import Generator
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core.files.storage import default_storage
from django.test import AsyncClient
from django.urls import reverse
from pydantic import BaseModel

from outbox import wire
from streaming.conf import conf as streaming_conf
from streaming.parsers import DocumentParser, Parsed
from tests import flows
from tests.factories import make_run
from workflows import storage
from workflows.definitions import Workflow, fan_out, step
from workflows.models import Run, Step
from workflows.services import outputs
from workflows.states import RunState, StepState

pytestmark = pytest.mark.django_db(transaction=True)

DONE = StepState.COMPLETED
RESULT = {
    "findings": [{"title": f"finding {number}", "pages": [number, number + 1]} for number in range(5)],
    "notes": {"a/b": "slash", "c~d": "tilde", "": "nameless"},
    "score": 7.5,
    "text": "word " * 1_000,
    "void": None,
}


class Nothing(BaseModel):
    rows: int = 0


class Row(BaseModel):
    id: int
    title: str
    tags: list[str]


@step(title="Writing much")
def write_much(ctx: Any) -> list[Row]:
    return [
        Row(id=number, title="A row of the table" * 25, tags=["a", "b"]) for number in range(ctx.input.rows)
    ]


much = Workflow("test-much", version=1, input=Nothing, title="Much", steps=[write_much])
spreading = Workflow(
    "test-spreading",
    version=1,
    input=flows.Parcel,
    title="Parcel",
    steps=[flows.pack, fan_out(flows.weigh, over=flows.pack)],
)


def completed(owner, output: Any, *, is_file: bool) -> Run:
    run = make_run(owner, workflow=much, state=RunState.COMPLETED, steps=(DONE,))
    keep(run.steps.get(), output, is_file=is_file)
    return run


def keep(step: Step, output: Any, *, is_file: bool) -> None:
    step.output, step.output_file = output, None
    if is_file:
        encoded = wire.encode(output)
        name = storage.save(f"{storage.folder_of(step.run_id)}/{step.pk}.json", encoded)
        step.output, step.output_file = None, {"name": name, **outputs.blob_of(output).model_dump()}
    step.save()


@pytest.fixture(params=["row", "file"])
def run(request, owner, client) -> Run:
    client.force_login(owner)
    return completed(owner, RESULT, is_file=request.param == "file")


def get(client, run: Run, **query: Any):
    return client.get(reverse("run-result", args=[run.pk]), query)


def body(answer) -> bytes:
    return b"".join(answer.streaming_content) if answer.streaming else answer.content


def test_the_first_level_is_shown_with_kinds_and_counts(client, run):
    answer = get(client, run, pointer="")
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store"
    part = answer.json()
    assert (part["run"], part["pointer"], part["kind"], part["count"], part["next"]) == (
        str(run.pk),
        "",
        "object",
        5,
        None,
    )
    findings, notes, score, text, void = part["members"]
    size = len(wire.encode(RESULT["findings"]))
    assert findings == {"key": "findings", "pointer": "/findings", "kind": "array", "count": 5, "size": size}
    assert (notes["kind"], notes["count"]) == ("object", 3)
    assert score == {"key": "score", "pointer": "/score", "kind": "number", "value": 7.5}
    assert void == {"key": "void", "pointer": "/void", "kind": "null", "value": None}
    assert (text["is_cut"], text["size"], text["value"]) == (True, 5_002, RESULT["text"][:2_000])


def test_depth_asks_for_members_of_members(client, run):
    part = get(client, run, pointer="/findings/1", depth=2).json()
    assert [member["key"] for member in part["members"]] == ["pages", "title"]
    assert [page["value"] for page in part["members"][0]["members"]] == [1, 2]
    assert "members" not in get(client, run, pointer="/findings/1", depth=0).json()
    assert get(client, run, depth=1).json() == get(client, run, pointer="").json()


def test_each_page_goes_on_where_the_one_before_ended(client, run):
    titles, after = [], {}
    while after is not None:
        part = get(client, run, pointer="/findings", limit=2, depth=2, **after).json()
        assert part["count"] == 5
        titles += [(member["key"], member["members"][1]["value"]) for member in part["members"]]
        after = {"after": part["next"]} if part["next"] else None
    assert titles == [(number, f"finding {number}") for number in range(5)]


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("/notes/a~1b", "slash"),
        ("/notes/c~0d", "tilde"),
        ("/notes/", "nameless"),
        ("/score", 7.5),
        ("/findings/4/pages/1", 5),
        ("/text", RESULT["text"]),
    ],
)
def test_a_value_is_given_whole_to_whom_points_at_it(client, run, pointer, value):
    part = get(client, run, pointer=pointer).json()
    assert (part["pointer"], part["value"]) == (pointer, value)
    assert "is_cut" not in part


def test_all_of_a_part_is_a_file_to_download(client, run):
    answer = get(client, run, pointer="/findings/2", whole=1)
    assert answer["Content-Disposition"] == 'attachment; filename="result.json"'
    assert answer["Content-Type"] == "application/json"
    content = body(answer)
    assert int(answer["Content-Length"]) == len(content)
    assert content == wire.encode(RESULT["findings"][2])
    assert body(get(client, run, whole=1)) == wire.encode(RESULT)
    assert json.loads(body(get(client, run))) == {"run": str(run.pk), "result": RESULT}


@pytest.mark.parametrize(
    ("pointer", "nearest", "kind", "count"),
    [
        ("/finding", "", "object", 5),
        ("/findings/5", "/findings", "array", 5),
        ("/findings/one", "/findings", "array", 5),
        ("/score/0/a", "/score", "number", None),
        ("/findings/0/title/x", "/findings/0/title", "string", None),
    ],
)
@pytest.mark.parametrize("whole", [0, 1])
def test_a_pointer_that_leads_nowhere_is_told_how_far_it_leads(
    client, run, pointer, nearest, kind, count, whole
):
    answer = get(client, run, pointer=pointer, whole=whole)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (404, "no-such-part")
    assert (problem["nearest"], problem["kind"], problem["count"]) == (nearest, kind, count)
    assert get(client, run, pointer=nearest).status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        {"pointer": "findings"},
        {"pointer": "/~2"},
        {"depth": "6"},
        {"depth": "-1"},
        {"limit": "0"},
        {"limit": "201"},
        {"whole": "yes"},
        {"after": ""},
        {"after": "made-up"},
        {"after": "bWFkZS11cA:signature"},
    ],
)
def test_what_is_asked_wrongly_is_refused_with_a_sentence(client, run, query):
    answer = get(client, run, **query)
    assert (answer.status_code, answer.json()["code"]) == (400, "validation-error")


def test_a_cursor_belongs_to_its_part_and_to_what_the_result_was(client, run):
    after = get(client, run, pointer="/findings", limit=2).json()["next"]
    assert get(client, run, pointer="/findings", after=after).status_code == 200
    for pointer in ("", "/notes"):
        assert get(client, run, pointer=pointer, after=after).status_code == 400
    keep(run.steps.get(), {**RESULT, "score": 8}, is_file=run.steps.get().output_file is not None)
    answer = get(client, run, pointer="/findings", after=after)
    assert "cursor" in answer.json()["detail"]
    assert answer.status_code == 400


def test_a_part_is_for_whom_the_result_is(client, run, stranger):
    client.force_login(stranger)
    for query in ({}, {"pointer": ""}, {"whole": 1}):
        assert get(client, run, **query).status_code == 404
    stranger.is_staff = True
    stranger.save()
    for query in ({}, {"pointer": ""}, {"whole": 1}):
        assert get(client, run, **query).status_code == 403
    client.logout()
    assert get(client, run, pointer="").status_code == 401


def test_before_the_end_and_after_an_undo_there_are_no_parts(client, owner):
    client.force_login(owner)
    for state, status, code in (
        (RunState.RUNNING, 409, "run-not-finished"),
        (RunState.COMPENSATED, 410, "result-lost"),
    ):
        answer = get(client, make_run(owner, state=state, steps=(DONE,) * 3), pointer="/a")
        assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize("query", [{}, {"pointer": "/findings"}, {"pointer": "/findings", "whole": 1}])
@pytest.mark.parametrize("damage", ["remove", "cut"])
def test_a_file_that_is_gone_or_damaged_is_a_lost_result(client, owner, query, damage):
    client.force_login(owner)
    run = completed(owner, RESULT, is_file=True)
    name = run.steps.get().output_file["name"]
    if damage == "remove":
        default_storage.delete(name)
    else:
        with open(default_storage.path(name), "r+b") as file:
            file.truncate(60)
    answer = get(client, run, **query)
    assert (answer.status_code, answer.json()["code"]) == (410, "result-lost")


def test_the_parts_of_a_fan_out_are_the_entries_of_its_result(client, owner, engine):
    client.force_login(owner)
    run = engine.finish(engine.start(spreading, owner=owner, input={"parts": [3, 1, 2]}))
    values = [{"value": number, "of": ["x" * 40] * number} for number in (30, 10, 20)]
    for part, value in zip(Step.objects.filter(parent__isnull=False).order_by("index"), values, strict=True):
        keep(part, value, is_file=part.index != 1)
    page = get(client, run, pointer="", limit=2, depth=2).json()
    assert (page["kind"], page["count"], page["size"]) == ("array", 3, None)
    glance = {"pointer": "", "kind": "array", "count": 3, "size": None}
    assert get(client, run, pointer="", depth=0).json() == {"run": str(run.pk), **glance}
    first, second = page["members"]
    assert first == {
        "key": 0,
        "pointer": "/0",
        "kind": "object",
        "count": None,
        "size": len(wire.encode(values[0])),
    }
    assert (second["count"], second["members"][1]) == (
        2,
        {"key": "value", "pointer": "/1/value", "kind": "number", "value": 10},
    )
    rest = get(client, run, pointer="", limit=2, after=page["next"]).json()
    assert ([member["key"] for member in rest["members"]], rest["next"]) == ([2], None)
    assert get(client, run, pointer="/2/value").json()["value"] == 20
    entry = get(client, run, pointer="/0/of", limit=1).json()
    assert (entry["count"], entry["members"][0]["pointer"]) == (30, "/0/of/0")
    for pointer, nearest in (("/3", ""), ("/x", ""), ("/2/x", "/2")):
        assert get(client, run, pointer=pointer).json()["nearest"] == nearest
    assert json.loads(body(get(client, run, pointer="", whole=1))) == values
    assert json.loads(body(get(client, run)))["result"] == values
    assert json.loads(body(get(client, run, pointer="/0", whole=1))) == values[0]


def test_a_run_behind_asgi_streams_a_large_result_from_its_file(owner, run):
    async def read() -> tuple[bytes, bytes]:
        client = AsyncClient()
        await client.aforce_login(owner)
        address = reverse("run-result", args=[run.pk])
        found = []
        for query in ({}, {"pointer": "/findings", "whole": 1}):
            answer = await client.get(address, query)
            chunks = (
                [chunk async for chunk in answer.streaming_content] if answer.streaming else [answer.content]
            )
            found.append(b"".join(chunks))
        return found[0], found[1]

    everything, findings = async_to_sync(read)()
    assert json.loads(everything)["result"] == RESULT
    assert json.loads(findings) == RESULT["findings"]


def test_twenty_megabytes_are_stored_by_a_step_and_read_a_part_at_a_time(client, owner, engine):
    client.force_login(owner)
    run = engine.finish(engine.start(much, owner=owner, input={"rows": 42_000}))
    size = run.steps.get().output_file["size"]
    assert size > 20_000_000
    tracemalloc.start()
    try:
        first = get(client, run, pointer="", depth=2).json()
        last = get(client, run, pointer="/41999/tags/1").json()
        page = get(client, run, pointer="", after=first["next"]).json()
        content = sum(len(chunk) for chunk in get(client, run, pointer="", whole=1).streaming_content)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (first["count"], len(first["members"]), last["value"]) == (42_000, 50, "b")
    assert page["members"][0]["key"] == 50
    assert content == size
    assert peak < 4_000_000


def test_a_model_may_write_twenty_megabytes_of_a_document():
    limits = streaming_conf().parser_limits()
    assert limits.max_document_bytes > 20_000_000
    entry = wire.encode({"id": 1, "title": "A row of the table" * 25, "tags": ["a", "b"]})
    count = 20_000_000 // len(entry) + 1

    def answer() -> Generator[bytes, None, None]:
        yield b'{"summary":"All of it","items":['
        for number in range(count):
            yield (b"," if number else b"") + entry
        yield b"]}"

    parser = DocumentParser(["items.item", "summary"], limits)
    found = 0
    for chunk in answer():
        found += sum(isinstance(result, Parsed) for result in parser.feed(chunk))
    results, end = parser.close(truncated=False)
    assert (found + len(results), end.kind) == (count + 1, "complete")
