"""Programs that read a run's log and that nobody here wrote, as docs/following.md shows them: curl, httpx-sse."""

import asyncio
import json
import shutil

import httpx
import pytest
from channels.layers import channel_layers
from httpx_sse import aconnect_sse

from tests.integration.streaming.gateway.served import serving

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls("tests.integration.streaming.gateway.served"),
]


@pytest.fixture(autouse=True)
def _private_layer(settings) -> None:
    channel_layers.backends.clear()


async def curl(*arguments: str) -> str:
    """What curl prints until the server ends the answer. --no-buffer: as one would follow."""
    process = await asyncio.create_subprocess_exec(
        "curl",
        "--silent",
        "--show-error",
        "--fail",
        "--no-buffer",
        "--noproxy",
        "*",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    return said.decode()


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine")
async def test_curl_follows_a_log_to_its_end_and_goes_on_from_a_cursor(rights, log):
    await log.write("run.created", "message")
    async with asyncio.timeout(30), serving(rights) as host:
        url = f"http://{host}/runs/{log.run}/events"
        following = asyncio.create_task(curl(f"{url}?follow=1", "-H", "Accept: application/x-ndjson"))
        await asyncio.sleep(0.2)  # that it is live by then is likely; true it is either way
        await log.send("run.completed", closes=True)
        lines = [json.loads(line) for line in (await following).splitlines()]
        rest = [
            json.loads(line) for line in (await curl(f"{url}?follow=1&after=2&format=ndjson")).splitlines()
        ]

    assert [line.get("seq") for line in lines if line["type"] != "hb"] == [1, 2, 3, None]
    assert lines[-1]["type"] == "end"
    assert [line.get("seq") for line in rest] == [3, None]


async def test_httpx_sse_follows_is_cut_and_comes_back_with_its_last_event_id(rights, log):
    await log.write("run.created")
    seen: list[str] = []
    async with (
        asyncio.timeout(30),
        serving(rights) as host,
        httpx.AsyncClient(base_url=f"http://{host}", trust_env=False) as client,
    ):
        for _ in range(3):
            headers = {"Last-Event-ID": seen[-1]} if seen else {}
            async with aconnect_sse(client, "GET", f"/runs/{log.run}/events", headers=headers) as source:
                async for event in source.aiter_sse():
                    if event.event == "message":
                        seen.append(event.id)
                        assert json.loads(event.data)["seq"] == int(event.id)
                        break
            await log.send("message")
    assert seen == ["1", "2", "3"]
