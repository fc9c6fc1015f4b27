"""Answers that wait for news: of the snapshot and of the log, by Django's own ASGI handler."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from asgiref.sync import sync_to_async
from channels.layers import channel_layers
from django.contrib.auth.models import User
from django.core.asgi import get_asgi_application
from django.db import transaction
from django.test import AsyncClient
from django.urls import reverse

from outbox.append import Message, append
from outbox.models import Audience
from streaming.gateway import polling
from streaming.gateway.feeds import feeds
from streaming.gateway.reads import read
from tests.factories import NOW, make_run, messages
from workflows.models import Run
from workflows.states import RunState, StepState

pytestmark = pytest.mark.django_db(transaction=True)
PATIENCE_SECONDS = 20
WAITS = 20
READ_THREADS = 5  # of the gateway, and one to spare


@pytest.fixture(autouse=True)
def _private_layer(settings) -> None:
    """Nobody sends hints here: what a wait hears of is what its heartbeats find."""
    channel_layers.backends.clear()
    settings.LONGHAUL = {**settings.LONGHAUL, "HEARTBEAT_SECONDS": "0.1"}


@pytest.fixture
def run(owner) -> Run:
    run = make_run(owner, steps=(StepState.RUNNING,))
    write(run)
    return run


@pytest.fixture
def reader(owner) -> AsyncClient:
    client = AsyncClient()
    client.force_login(owner)
    return client


def write(run: Run, *, closes: bool = False, audience: Audience = Audience.PUBLIC) -> None:
    message = Message(type="run.completed", payload={}) if closes else messages(1)[0]
    with transaction.atomic():
        append(
            run.pk,
            [Message(type=message.type, payload=message.payload, audience=audience)],
            now=NOW,
            closes=closes,
        )


@asynccontextmanager
async def asking(reader: AsyncClient, where: str) -> AsyncIterator["asyncio.Task[Any]"]:
    """A request that waits: it has read the log, and listens."""
    task = asyncio.create_task(reader.get(where))
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not len(feeds()) and not task.done():  # noqa: ASYNC110 - a feed tells nobody that it begins
            await asyncio.sleep(0.01)
    yield task
    async with asyncio.timeout(PATIENCE_SECONDS):
        await task
        await feeds().closed()


@pytest.mark.parametrize(
    ("name", "news"),
    [("run", lambda body: body["seq"]), ("run-events", lambda body: body["events"][0]["seq"])],
)
async def test_an_answer_comes_with_the_next_event(reader, run, name, news):
    async with asking(reader, reverse(name, args=[run.pk]) + "?after=1&wait=20") as answer:
        assert not answer.done()
        await read(write, run)
    assert news(answer.result().json()) == 2
    assert not len(feeds()), "nothing is left of the wait"


async def test_without_news_the_answer_is_what_there_is(reader, run):
    names = ("run", "run-events")
    asked = [reader.get(reverse(name, args=[run.pk]) + "?after=1&wait=1") for name in names]
    for answer in await asyncio.gather(*asked):
        assert (answer.status_code, answer.json()["seq"]) == (200, 1)


async def test_what_happened_before_is_told_at_once(reader, run, monkeypatch):
    async def refuse(*args: object, **options: object) -> bool:
        raise AssertionError("it waited")

    for where in ("?after=0", "?after=1", "?wait=0&after=1", ""):
        monkeypatch.setattr(polling, "follow", refuse)
        assert (await reader.get(reverse("run", args=[run.pk]) + where)).status_code == 200


async def test_a_run_that_is_over_is_not_waited_for(reader, run):
    await read(write, run, closes=True)
    async with asyncio.timeout(PATIENCE_SECONDS):
        answer = await reader.get(reverse("run", args=[run.pk]) + "?after=2&wait=60")
    assert answer.json()["seq"] == 2


async def test_what_its_reader_may_not_see_is_no_news(reader, run):
    async with asking(reader, reverse("run", args=[run.pk]) + "?after=1&wait=20") as answer:
        await read(write, run, audience=Audience.OPERATOR)
        await asyncio.sleep(0.3)
        assert not answer.done()
        await read(write, run)
    assert answer.result().json()["seq"] == 3


async def test_a_right_that_ends_while_waiting_is_asked_for_again(reader, run, owner):
    async with asking(reader, reverse("run", args=[run.pk]) + "?after=1&wait=20") as answer:
        await read(lambda: User.objects.filter(pk=owner.pk).update(is_active=False))
        await read(write, run)
    assert (answer.result().status_code, answer.result().json()["code"]) == (404, "not-found")


@pytest.mark.parametrize(
    "query", ["wait=61", "wait=x", "wait=-1", "wait=1.5", "wait=²", "after=x&wait=1", "after=x"]
)
@pytest.mark.parametrize("name", ["run", "run-events"])
async def test_a_wait_that_makes_no_sense_is_refused(reader, run, name, query):
    answer = await reader.get(reverse(name, args=[run.pk]) + f"?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "validation-error")


async def test_a_stranger_waits_for_nothing(stranger, run):
    client = AsyncClient()
    await sync_to_async(client.force_login)(stranger)
    for name in ("run", "run-events"):
        answer = await client.get(reverse(name, args=[run.pk]) + "?after=1&wait=20")
        assert answer.status_code == 404
    assert (await AsyncClient().get(reverse("run", args=[run.pk]) + "?wait=20")).status_code == 401


async def test_a_cursor_of_another_log_gets_the_snapshot_to_start_anew_from(reader, run):
    answer = await reader.get(reverse("run", args=[run.pk]) + "?after=1763800000.7&wait=20")
    assert (answer.status_code, answer.json()["seq"]) == (200, 1)
    assert run.state == RunState.RUNNING


async def test_waits_hold_no_thread_under_the_server_s_own_handler(run):
    """Django gives each request a thread for its middleware, and keeps it for as long as the answer takes."""
    transport = httpx.ASGITransport(get_asgi_application())
    async with httpx.AsyncClient(
        transport=transport, base_url="http://localhost", auth=("anna", "anna-password")
    ) as web:
        before = threading.active_count()
        waits = [
            asyncio.create_task(web.get(reverse("run", args=[run.pk]) + "?after=1&wait=20", timeout=None))
            for _ in range(WAITS)
        ]
        async with asyncio.timeout(PATIENCE_SECONDS):
            while threading.active_count() > before + READ_THREADS or not len(feeds()):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            assert not any(wait.done() for wait in waits)
            await read(write, run)
            answers = await asyncio.gather(*waits)
    assert {(answer.status_code, answer.json()["seq"]) for answer in answers} == {(200, 2)}
