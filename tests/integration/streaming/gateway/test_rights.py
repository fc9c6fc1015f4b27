"""Signing out, a new password and a closed account end what is open, through the whole application."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from channels.layers import channel_layers
from django.contrib.auth.models import User
from django.db import InterfaceError, OperationalError
from django.test import Client

from config.asgi import build
from streaming.gateway.reads import read
from tests.factories import make_run
from tests.integration.streaming.gateway.conftest import DEADLINE_SECONDS

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "a long and private word"


class Visitor:
    """Somebody with an account, signed in in one browser."""

    def __init__(self) -> None:
        self.user = User.objects.create_user("ada", password=PASSWORD)
        self.run = make_run(self.user).id
        self.browser = Client()
        self.browser.force_login(self.user)

    @property
    def cookie(self) -> tuple[bytes, bytes]:
        return b"cookie", f"sessionid={self.browser.cookies['sessionid'].value}".encode()

    @property
    def basic(self) -> tuple[bytes, bytes]:
        return b"authorization", b"Basic " + base64.b64encode(f"ada:{PASSWORD}".encode())

    def sign_out(self) -> None:
        self.browser.logout()

    def change_password(self) -> None:
        self.user.set_password("another private word")
        self.user.save()

    def leave(self) -> None:
        User.objects.update(is_active=False)


@pytest.fixture
def visitor(transactional_db: None, limits: Callable[..., None]) -> Visitor:
    channel_layers.backends.clear()
    limits(HEARTBEAT_SECONDS=0.1)
    return Visitor()


@pytest.fixture
def application() -> Any:
    return build()


@asynccontextmanager
async def listening(application: Any, visitor: Visitor, *, accept: str, header: Any) -> AsyncIterator[Any]:
    """The log over HTTP; gives the next body as text."""
    scope = {
        "type": "http",
        "method": "GET",
        "path": f"/api/v1/runs/{visitor.run}/events",
        "query_string": b"follow=1",
        "headers": [(b"host", b"localhost"), (b"accept", accept.encode()), header],
    }
    line = ApplicationCommunicator(application, scope)
    await line.send_input({"type": "http.request"})

    async def hear() -> dict[str, Any]:
        return await line.receive_output(DEADLINE_SECONDS)

    try:
        yield hear
    finally:
        await line.send_input({"type": "http.disconnect"})
        await line.wait(DEADLINE_SECONDS)


async def body_until(hear: Any, words: str) -> str:
    """What is said up to the first chunk with `words`."""
    said = ""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while words not in said:
            said += (await hear()).get("body", b"").decode()
    return said


ENDINGS = ["sign_out", "change_password", "leave"]


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("accept", ["text/event-stream", "application/x-ndjson"])
async def test_an_http_stream_ends_with_the_session_at_the_next_heartbeat(
    visitor, application, accept, ending
):
    async with listening(application, visitor, accept=accept, header=visitor.cookie) as hear:
        assert (await hear())["status"] == 200
        await body_until(hear, '"hb"')
        await read(getattr(visitor, ending))

        await body_until(hear, '"error"')
        while (await hear()).get("more_body"):
            pass


@pytest.mark.parametrize("ending", ["change_password", "leave"])
async def test_a_stream_by_name_and_password_ends_with_them_and_not_with_a_session(
    visitor, application, ending
):
    accept = "text/event-stream"
    async with listening(application, visitor, accept=accept, header=visitor.basic) as hear:
        assert (await hear())["status"] == 200
        await read(visitor.sign_out)
        await body_until(hear, '"hb"')
        assert '"error"' not in await body_until(hear, '"hb"')
        await read(getattr(visitor, ending))

        await body_until(hear, '"error"')


@pytest.mark.parametrize("ending", ENDINGS)
async def test_a_subscription_ends_with_the_session_at_the_next_heartbeat(
    visitor, application, ending, monkeypatch
):
    # Between the two subscriptions the socket follows nothing: on a slow machine that may last a while.
    monkeypatch.setattr("streaming.gateway.websocket.SILENT_HEARTBEATS", 1_000)
    headers = [(b"host", b"localhost"), (b"origin", b"http://localhost"), visitor.cookie]
    socket = ApplicationCommunicator(
        application, {"type": "websocket", "path": "/ws/v1", "query_string": b"", "headers": headers}
    )

    async def until(type_: str) -> dict[str, Any]:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                output = await socket.receive_output(DEADLINE_SECONDS)
                frame = json.loads(output.get("text", "{}"))
                if frame.get("type") == type_:
                    return frame

    await socket.send_input({"type": "websocket.connect"})
    subscribe = json.dumps({"type": "subscribe", "run": str(visitor.run)})
    await socket.send_input({"type": "websocket.receive", "text": subscribe})
    await until("hb")
    await read(getattr(visitor, ending))

    assert (await until("error"))["problem"]["status"] == 404
    await socket.send_input({"type": "websocket.receive", "text": subscribe})
    assert (await until("error"))["problem"]["status"] == 404
    await socket.send_input({"type": "websocket.disconnect", "code": 1001})
    await socket.wait(DEADLINE_SECONDS)


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
@pytest.mark.parametrize("place", ["workflows.api.events.identify", "streaming.gateway.opening.read_tip"])
async def test_without_a_database_the_log_is_refused_as_overloaded(
    visitor, application, monkeypatch, place, error
):
    def fail(*args: Any) -> None:
        raise error("away")

    monkeypatch.setattr(place, fail)
    accept = "text/event-stream"
    async with listening(application, visitor, accept=accept, header=visitor.cookie) as hear:
        start = await hear()
        assert start["status"] == 503
        headers = {name.lower(): value for name, value in start["headers"]}
        assert headers[b"retry-after"].isdigit()
        assert json.loads((await hear())["body"])["code"] == "overloaded"
