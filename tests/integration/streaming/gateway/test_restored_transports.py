"""What each transport says of a log that was restored to an earlier point, or whose beginning is no longer kept."""

import asyncio
import json
from typing import Any

import pytest
from channels.layers import channel_layers
from django.test import AsyncRequestFactory

from outbox.models import Audience
from streaming.gateway import Refused, Seen, events_response
from streaming.gateway import log as log_module
from tests.restoring import prune

pytestmark = pytest.mark.django_db(transaction=True)
SSE, NDJSON = "text/event-stream", "application/x-ndjson"
SNAPSHOT = "/api/v1/runs/this"


@pytest.fixture(autouse=True)
def _private_layer() -> None:
    channel_layers.backends.clear()


@pytest.fixture(autouse=True)
def _snapshot(rights) -> None:
    rights.seen = Seen(Audience.OPERATOR, snapshot=SNAPSHOT)


@pytest.fixture
def ask(rights, log):
    async def get(query: str = "", *, accept: str = "*/*", **headers: str) -> Any:
        request = AsyncRequestFactory().get(f"/events{query}", headers={"Accept": accept, **headers})
        return await events_response(request, run_id=log.run, principal=None, access=rights)

    return get


async def whole(response: Any) -> str:
    async with asyncio.timeout(20):
        return b"".join([chunk async for chunk in response.streaming_content]).decode()


async def lines_of(response: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (await whole(response)).splitlines()]


async def test_an_event_stream_carries_the_epoch_in_its_ids_and_goes_on_from_them(ask, log):
    await log.write("message", "message", "run.completed", closes=True)
    epoch = await log.move_on()

    text = await whole(await ask(accept=SSE))
    assert [line for line in text.splitlines() if line.startswith("id:")] == [
        f"id: {epoch}.{seq}" for seq in (1, 2, 3)
    ]
    rest = await whole(await ask("?after=0", accept=SSE, **{"Last-Event-ID": f"{epoch}.2"}))
    assert f"id: {epoch}.3\n" in rest
    assert "id: " not in rest.replace(f"id: {epoch}.3\n", "")
    over = await ask("?after=0", accept=SSE, **{"Last-Event-ID": f"{epoch}.3"})
    assert over.status_code == 204


async def test_an_event_stream_of_the_log_before_says_reset_and_ends(ask, log):
    await log.write("message", "run.completed", closes=True)
    epoch = await log.move_on()

    for cursor in ("2", "7", f"{epoch}.7"):
        text = await whole(await ask(accept=SSE, **{"Last-Event-ID": cursor}))
        told = [
            json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data")
        ]
        assert [body["type"] for body in told] == ["hello", "reset"]
        assert told[1] == {"type": "reset", "head": 2, "epoch": epoch, "snapshot": SNAPSHOT}


@pytest.mark.parametrize("cursors", [("after", "last"), ("last", "after")])
async def test_of_two_cursors_the_one_of_the_newest_epoch_wins(ask, log, cursors):
    await log.write("message", "message", "run.completed", closes=True)
    epoch = await log.move_on()
    given = dict(zip(cursors, (f"{epoch}.2", "1.3"), strict=True))

    text = await whole(await ask(f"?after={given['after']}", accept=SSE, **{"Last-Event-ID": given["last"]}))

    assert f"id: {epoch}.3\n" in text
    assert '"reset"' not in text


async def test_a_page_and_a_finished_download_are_refused_with_the_way_on(ask, log):
    await log.write(*["message"] * 5)
    await log.prune(2)

    for query, accept in (("?after=1", "*/*"), ("", "*/*"), ("?after=9", "*/*"), ("?after=1", NDJSON)):
        with pytest.raises(Refused) as refused:
            await ask(query, accept=accept)
        problem = refused.value.problem()
        assert (problem["code"], problem["status"]) == ("cursor-expired", 410)
        assert (problem["oldest_seq"], problem["snapshot"]) == (3, SNAPSHOT)
    oldest = json.loads((await ask(f"?after={problem['oldest_seq'] - 1}")).content)
    assert [event["seq"] for event in oldest["events"]] == [3, 4, 5]


async def test_a_page_that_is_cut_while_it_is_read_is_refused(ask, log, monkeypatch):
    await log.write(*["message"] * 5)
    original = log_module.events_page

    def prune_and_read(*args: Any, **kwargs: Any) -> Any:
        prune(log.run, up_to=3)
        return original(*args, **kwargs)

    monkeypatch.setattr("streaming.gateway.http.events_page", prune_and_read)
    with pytest.raises(Refused) as refused:
        await ask("?after=1")
    assert refused.value.slug == "cursor-expired"


async def test_pages_of_a_restored_log_go_on_from_their_next(ask, log):
    await log.write(*["message"] * 3)
    epoch = await log.move_on()

    page = json.loads((await ask("?limit=2")).content)
    rest = json.loads((await ask(f"?after={page['next']}")).content)

    assert (page["next"], page["epoch"]) == (f"{epoch}.2", epoch)
    assert [event["seq"] for event in rest["events"]] == [3]


@pytest.mark.parametrize("query", ["?follow=1", ""])
async def test_ndjson_of_a_restored_log_says_its_epoch_first(ask, log, query):
    await log.write("message", "run.completed", closes=True)
    epoch = await log.move_on()

    lines = await lines_of(await ask(query, accept=NDJSON))

    assert [line["type"] for line in lines] == ["hello", "message", "run.completed", "end"]
    assert lines[0]["epoch"] == epoch
    joint = "&" if query else "?"
    again = await lines_of(await ask(f"{query}{joint}after={epoch}.1", accept=NDJSON))
    assert [line.get("seq") for line in again] == [None, 2, None]


async def test_a_tail_as_ndjson_of_the_log_before_is_reset(ask, log):
    await log.write("message")
    epoch = await log.move_on()

    lines = await lines_of(await ask("?follow=1&after=1", accept=NDJSON))

    assert [line["type"] for line in lines] == ["hello", "reset"]
    assert lines[1] == {"type": "reset", "head": 1, "epoch": epoch, "snapshot": SNAPSHOT}


async def test_a_download_under_which_the_log_is_restored_ends_with_a_reset(ask, log, limits):
    limits(FOLLOW_PAGE_EVENTS=2)
    await log.write(*["message"] * 6)
    response = await ask(accept=NDJSON)
    content = response.streaming_content
    lines = (await anext(content)).splitlines()
    await log.lose(1)
    epoch = await log.move_on()
    lines += [line async for chunk in content for line in chunk.splitlines()]

    told = [json.loads(line) for line in lines]
    assert told[-1] == {"type": "reset", "head": 5, "epoch": epoch, "snapshot": SNAPSHOT}
    assert [line["seq"] for line in told[:-1]] == [1, 2]
