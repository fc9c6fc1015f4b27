"""What HTTP itself promises: tags, ids of requests, HEAD, links to the next page, one of several formats."""

import csv
import io
import json
from uuid import UUID

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse

from outbox.append import append
from outbox.models import Stream
from tests.factories import NOW, make_run, messages
from workflows.api import items as items_api
from workflows.models import Item, Run
from workflows.states import RunState, StepState

pytestmark = pytest.mark.django_db(transaction=True)

DONE = StepState.COMPLETED
VALUES = [
    {"title": "Zürich, “old”", "pages": 3, "tags": ["a", "b"], "note": None},
    {"title": "=1+1", "exact": True},
]


@pytest.fixture
def run(client, owner) -> Run:
    """A completed run of the signed-in owner, with five items."""
    run = make_run(owner, state=RunState.COMPLETED, steps=(DONE, DONE, DONE))
    Stream.objects.filter(key=run.pk).update(head=20, published=20)
    step = run.steps.get(position=1)
    for index in range(5):
        Item.objects.create(
            run=run, step=step, attempt=1, index=index, key=str(index), type="Note",
            data=VALUES[index % 2], seq=10 + index, created_at=NOW,
            retracted_by_attempt=2 if index == 4 else None,
        )  # fmt: skip
    client.force_login(owner)
    return run


def address(name: str, run: Run, query: str = "") -> str:
    return reverse(name, args=[run.pk]) + query


def lines(answer) -> list[dict]:
    return [json.loads(line) for line in answer.getvalue().decode().splitlines()]


def test_who_has_the_snapshot_already_is_sent_nothing(client, run):
    first = client.get(address("run", run))
    again = client.get(address("run", run), headers={"If-None-Match": first["ETag"]})
    weak = client.get(address("run", run), headers={"If-None-Match": f'"other", W/{first["ETag"]}'})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    assert (weak.status_code, first["Cache-Control"]) == (304, "private, no-cache")


def test_a_tag_is_of_all_that_the_snapshot_says(client, run):
    first = client.get(address("run", run))
    run.steps.filter(position=0).update(progress={"done": 1, "total": 2, "unit": "pages"})
    after = client.get(address("run", run), headers={"If-None-Match": first["ETag"]})
    assert (after.status_code, after["ETag"] != first["ETag"]) == (200, True), "no event told of it"


def test_definitions_have_tags_too(client, run):
    for where in (reverse("workflows"), reverse("workflow", args=["test-ordering"])):
        tag = client.get(where)["ETag"]
        assert client.get(where, headers={"If-None-Match": tag}).status_code == 304


def test_an_answer_has_the_id_of_its_request_and_a_problem_too(client, run):
    answer = client.get(address("run", run))
    assert UUID(answer["X-Request-ID"])
    given = client.get(reverse("runs"), {"limit": "x"}, headers={"X-Request-ID": "from-the-proxy.17"})
    body = given.json()
    assert given["X-Request-ID"] == body["request_id"] == "from-the-proxy.17"
    assert body["instance"] == "/api/v1/runs"
    for forged in ("x", "a b c d e f g h", "x" * 65, "line\\nbreak", "<script>alert</script>"):
        assert client.get(reverse("runs"), headers={"X-Request-ID": forged})["X-Request-ID"] != forged


READS = ["run", "run-events", "run-items", "run-result", "run-steps"]


@pytest.mark.parametrize("name", READS)
def test_head_answers_as_get_does_without_a_body(client, run, name):
    get, head = client.get(address(name, run)), client.head(address(name, run))
    assert (head.status_code, head.content) == (200, b"")
    assert head["Content-Type"] == get["Content-Type"]


@pytest.mark.parametrize("accept", ["text/event-stream", "application/x-ndjson"])
def test_head_of_a_stream_does_not_open_one(client, owner, accept):
    live = make_run(owner, steps=(StepState.RUNNING,))
    client.force_login(owner)
    head = client.head(address("run-events", live), headers={"Accept": accept})
    assert (head.status_code, head.streaming, head["Content-Type"]) == (200, False, accept)


def test_head_reads_no_item(client, run, monkeypatch):
    def refuse(*args: object, **options: object) -> None:
        raise AssertionError("an item was read")

    monkeypatch.setattr("workflows.selectors.page_items", refuse)
    assert client.head(address("run-items", run, "?format=csv")).status_code == 200


def test_items_as_lines_end_with_a_line_that_says_so(client, run, monkeypatch):
    monkeypatch.setattr(items_api, "ITEMS_AT_ONCE", 2)
    answer = client.get(address("run-items", run), headers={"Accept": "application/x-ndjson"})
    *items, end = lines(answer)
    assert items == client.get(address("run-items", run)).json()["items"]
    assert end == {"type": "end", "last_seq": 13, "items_count": 4}
    assert lines(client.get(address("run-items", run, "?format=ndjson&after=12")))[0]["index"] == 3
    assert len(lines(client.get(address("run-items", run, "?format=ndjson&include=gone")))) == 6


def test_items_as_a_table_have_a_column_for_each_member(client, run, monkeypatch):
    monkeypatch.setattr(items_api, "ITEMS_AT_ONCE", 1)
    answer = client.get(address("run-items", run), headers={"Accept": "text/csv"})
    assert answer["Content-Type"] == "text/csv; charset=utf-8; header=present"
    assert answer["Content-Disposition"] == 'attachment; filename="items.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode(), newline="")))
    assert [row["index"] for row in rows] == ["0", "1", "2", "3"]
    assert {name: value for name, value in rows[0].items() if name.startswith("value.")} == {
        "value.title": "Zürich, “old”",
        "value.pages": "3",
        "value.tags": '["a", "b"]',
        "value.note": "",
        "value.exact": "",
    }
    assert (rows[1]["value.title"], rows[1]["value.exact"]) == ("'=1+1", "true"), "no spreadsheet runs it"


def test_a_table_of_nothing_is_its_first_row(client, owner):
    run = make_run(owner)
    client.force_login(owner)
    answer = client.get(address("run-items", run, "?format=csv"))
    assert answer.getvalue() == b"seq,step,attempt,index,key,type\r\n"


def test_a_table_that_would_lack_a_member_breaks_off(client, run, monkeypatch):
    answer = client.get(address("run-items", run, "?format=csv"))
    content = iter(answer.streaming_content)
    next(content)
    Item.objects.filter(index=3).update(data={"news": 1})
    with pytest.raises(ValueError, match="news"):
        list(content)


@pytest.mark.parametrize("name", ["run", "run-items", "run-events", "run-result", "run-steps"])
def test_a_format_that_is_not_served_is_refused(client, run, name):
    answer = client.get(address(name, run), headers={"Accept": "image/png"})
    assert (answer.status_code, answer.json()["code"]) == (406, "not-acceptable")
    assert answer["Content-Type"] == "application/problem+json"


def test_a_write_to_nowhere_is_answered_as_a_program_reads(owner):
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)
    answer = client.post("/api/v1/runs/no-id/cancel")
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")


def test_a_problem_is_json_whatever_format_was_asked_for(client, run):
    wrong = client.get(address("run-items", run, "?after=x"), headers={"Accept": "text/csv"})
    assert (wrong.status_code, wrong["Content-Type"]) == (400, "application/problem+json")
    assert client.get(address("run-items", run, "?format=xml")).json()["code"] == "validation-error"


def test_a_page_that_is_not_the_last_links_to_the_next(client, owner, run):
    with transaction.atomic():
        append(run.pk, messages(2), now=NOW)
    make_run(owner)
    pages = {
        "runs": reverse("runs") + "?limit=1&workflow=test-ordering",
        "items": address("run-items", run, "?limit=2&include=gone"),
        "events": address("run-events", run, "?limit=1"),
    }
    for name, where in pages.items():
        first = client.get(where)
        following = client.get(first["Link"].removeprefix("<").removesuffix('>; rel="next"'))
        assert following.json()[name] != first.json()[name]
        assert len(following.json()[name]) == len(first.json()[name]), "the rest of the query stays"
        assert "Link" not in client.get(where.replace("limit=1", "limit=9").replace("limit=2", "limit=9"))
