"""The address of a run's log, asked as clients ask: through Django's own ASGI handler's request and response."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest
from channels.layers import channel_layers
from django.http import HttpResponseBase
from django.test import AsyncRequestFactory

from outbox.models import Audience, Entry
from streaming.gateway import Refused, Seen, events_response
from streaming.gateway.drain import DRAIN
from streaming.gateway.log import events_page
from streaming.gateway.reads import read

pytestmark = pytest.mark.django_db(transaction=True)
SSE, NDJSON = "text/event-stream", "application/x-ndjson"


@pytest.fixture(autouse=True)
def _private_layer() -> None:
    channel_layers.backends.clear()


@pytest.fixture
def ask(rights, log):
    async def get(query: str = "", *, accept: str = "*/*", **headers: str) -> HttpResponseBase:
        request = AsyncRequestFactory().get(
            f"/api/v1/runs/{log.run}/events{query}", headers={"Accept": accept, **headers}
        )
        return await events_response(request, run_id=log.run, principal=None, access=rights)

    return get


@asynccontextmanager
async def chunks(response: Any) -> AsyncIterator[Any]:
    async with asyncio.timeout(20), aclosing(response.streaming_content) as content:
        yield content


async def whole(response: Any) -> str:
    async with chunks(response) as content:
        return b"".join([chunk async for chunk in content]).decode()


def blocks(text: str) -> list[dict[str, str]]:
    """The blocks of an event stream, as a browser reads them: fields by name."""
    assert text.endswith("\n\n")
    return [dict(line.split(": ", 1) for line in block.split("\n")) for block in text.split("\n\n")[:-1]]


async def test_a_page_of_the_log_as_json(ask, log):
    await log.write("run.created", "message", "message")

    response = await ask("?after=1&limit=1")
    page = json.loads(response.content)

    assert [event["seq"] for event in page["events"]] == [2]
    assert {name: page[name] for name in ("next", "seq", "epoch")} == {"next": 2, "seq": 3, "epoch": 1}
    assert response["Cache-Control"] == "no-store"
    last = json.loads((await ask("?after=2")).content)
    assert ([event["seq"] for event in last["events"]], last["next"]) == ([3], None)


async def test_a_page_holds_what_its_reader_may_see(log):
    await log.write("message")
    await log.write("attempt.started", audience=Audience.OPERATOR)

    page = await read(events_page, log.run, after=0, limit=10, audience=Audience.MEMBER)

    assert [event["type"] for event in page["events"]] == ["message"]
    assert (page["next"], page["seq"]) == (None, 2)


async def test_the_same_bytes_on_every_transport(ask, log):
    await log.write("message", "run.completed", closes=True)

    page = (await ask()).content
    lines = (await whole(await ask(accept=NDJSON))).splitlines()
    stream = blocks(await whole(await ask(accept=SSE)))

    bodies = [block["data"] for block in stream if "id" in block]
    assert len(bodies) == 2
    assert lines[:2] == bodies
    assert page.startswith(f'{{"epoch":1,"events":[{",".join(bodies)}]'.encode())


async def test_an_event_stream_from_hello_to_end(ask, log):
    await log.write("run.created", "run.completed", closes=True)

    response = await ask("?after=1", accept=SSE)
    stream = blocks(await whole(response))

    assert stream[0]["retry"] == "2000"
    hello = json.loads(stream[0]["data"])
    assert (hello["type"], hello["from"], hello["head"]) == ("hello", 1, 2)
    assert [block.get("id") for block in stream] == [None, "2", None, None]
    assert "event" not in stream[1]
    assert [json.loads(block["data"])["type"] for block in stream[2:]] == ["caught_up", "end"]
    assert json.loads(stream[-1]["data"]) == {"type": "end", "last_seq": 2, "state": "completed"}
    assert response["Content-Type"] == SSE
    assert response["Cache-Control"] == "no-store, no-transform"
    assert response["X-Accel-Buffering"] == "no"


async def test_hello_comes_at_once_and_events_as_they_are_told(ask, log):
    async with chunks(await ask(accept=SSE)) as content:
        assert json.loads(blocks((await anext(content)).decode())[0]["data"])["type"] == "hello"
        assert b"caught_up" in await anext(content)

        await log.send("message")
        assert (await anext(content)).startswith(b"id: 1\n")


async def test_a_browser_that_comes_back_after_the_end_is_told_to_stop(ask, log):
    await log.write("run.created", "run.completed", closes=True)

    response = await ask("?after=0", accept=SSE, **{"Last-Event-ID": "2"})
    assert response.status_code == 204


@pytest.mark.parametrize(("query", "header"), [("?after=2", "1"), ("?after=1", "2"), ("", "2")])
async def test_of_two_cursors_the_larger_wins(ask, log, query, header):
    await log.write("message", "message", "run.completed", closes=True)

    stream = blocks(await whole(await ask(query, accept=SSE, **{"Last-Event-ID": header})))

    assert [block["id"] for block in stream if "id" in block] == ["3"]


async def test_ndjson_of_the_present_log_says_where_it_ends(ask, log, limits):
    limits(FOLLOW_PAGE_EVENTS=2)
    await log.write(*["message"] * 5)

    lines = [json.loads(line) for line in (await whole(await ask("?after=1", accept=NDJSON))).splitlines()]

    assert [line.get("seq") for line in lines] == [2, 3, 4, 5, None]
    assert lines[-1] == {"type": "end", "last_seq": 5, "state": None}


async def test_ndjson_names_a_hole_of_the_log(ask, log):
    await log.write(*["message"] * 4)
    await read(lambda: Entry.objects.filter(stream=log.run, seq__in=(2, 3)).delete())

    lines = [json.loads(line) for line in (await whole(await ask(accept=NDJSON))).splitlines()]

    assert [line["type"] for line in lines] == ["message", "gap", "message", "end"]
    assert lines[1] == {"type": "gap", "after": 1, "before": 4}


async def test_ndjson_calls_no_log_complete_whose_last_events_are_missing(ask, log, limits):
    limits(FOLLOW_PAGE_EVENTS=2)
    await log.write(*["message"] * 4)
    await read(lambda: Entry.objects.filter(stream=log.run, seq__gt=2).delete())

    lines = [json.loads(line) for line in (await whole(await ask(accept=NDJSON))).splitlines()]

    assert [line.get("seq") for line in lines] == [1, 2, None]
    assert lines[-1] == {"type": "gap", "after": 2, "before": 5}


async def test_a_tail_as_ndjson_ends_at_its_greatest_age(ask, limits):
    limits(STREAM_MAX_AGE_SECONDS=0.1)

    lines = (await whole(await ask("?follow=1", accept=NDJSON))).splitlines()

    assert json.loads(lines[-1])["type"] == "bye"


async def test_ndjson_follows_with_heartbeats_until_the_end(ask, log, limits):
    limits(HEARTBEAT_SECONDS=0.1)
    async with chunks(await ask("?follow=1&format=ndjson")) as content:
        lines: list[dict[str, Any]] = []
        async for chunk in content:
            lines += [json.loads(line) for line in chunk.splitlines()]
            if lines and lines[-1]["type"] == "hb" and lines[-1]["head"] == 0:
                await log.send("message", "run.failed", closes=True)

    assert [line["seq"] for line in lines if "seq" in line] == [1, 2]
    assert lines[-1] == {"type": "end", "last_seq": 2, "state": "failed"}


async def test_a_drain_ends_streams_without_an_end_line(ask, log):
    async with chunks(await ask("?follow=1", accept=NDJSON)) as content:
        await anext(content)
        DRAIN.begin()
        rest = [json.loads(line) async for chunk in content for line in chunk.splitlines()]

    assert [line["type"] for line in rest] == ["bye"]


@pytest.mark.parametrize(
    ("query", "accept", "slug"),
    [
        ("?after=x", "*/*", "validation-error"),
        ("?after=-1", SSE, "validation-error"),
        ("?limit=0", "*/*", "validation-error"),
        ("?limit=9999999999999999999999", "*/*", "validation-error"),
        ("?limit=000000001999", "*/*", "validation-error"),
        ("?limit=" + "1" * 5_000, "*/*", "validation-error"),
        ("?limit=many", "*/*", "validation-error"),
        ("?format=xml", "*/*", "validation-error"),
        ("?follow=perhaps", NDJSON, "validation-error"),
        ("", "text/csv", "not-acceptable"),
    ],
)
async def test_what_is_asked_wrongly_is_refused_before_a_stream_begins(ask, query, accept, slug):
    with pytest.raises(Refused) as refused:
        await ask(query, accept=accept)

    assert refused.value.slug == slug


@pytest.mark.parametrize("accept", ["*/*", SSE, NDJSON])
async def test_a_foreign_run_is_refused_on_every_format(ask, rights, accept):
    rights.seen = None
    with pytest.raises(Refused) as refused:
        await ask(accept=accept)

    assert (refused.value.slug, refused.value.status) == ("not-found", 404)


async def test_rights_that_end_are_said_as_a_problem(ask, rights, limits):
    limits(HEARTBEAT_SECONDS=0.1)
    async with chunks(await ask(accept=SSE)) as content:
        await anext(content)
        rights.seen = None
        rest = blocks(b"".join([chunk async for chunk in content]).decode())

    assert json.loads(rest[-1]["data"])["problem"]["status"] == 404


async def test_a_reader_of_part_of_the_log_is_told_so(ask, rights, log):
    rights.seen = Seen(Audience.MEMBER)
    await log.write("message")
    async with chunks(await ask(accept=SSE)) as content:
        hello = json.loads(blocks((await anext(content)).decode())[0]["data"])

    assert hello["full"] is False
