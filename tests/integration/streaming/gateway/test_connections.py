"""How many streams and sockets one caller may hold open."""

from collections.abc import Callable
from typing import Any

import pytest
from channels.layers import channel_layers
from django.contrib.auth.models import User

from config.asgi import build
from streaming.gateway.connections import CONNECTIONS
from streaming.gateway.reads import read
from tests.factories import make_run
from tests.integration.streaming.gateway.lines import NDJSON, SSE, line, socket
from workflows.services.tokens import make_token

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def application(settings: Any, limits: Callable[..., None]) -> Any:
    channel_layers.backends.clear()
    limits(HEARTBEAT_SECONDS=1, CONNECTIONS_MAX=2)  # a socket that says nothing for 2.5 of them is closed
    return build()


def caller(name: str) -> tuple[str, tuple[bytes, bytes]]:
    """The address of a log of theirs, and their header."""
    user = User.objects.create_user(name)
    header = (b"authorization", f"Bearer {make_token(user, name='a program')[1]}".encode())
    return f"/api/v1/runs/{make_run(user).pk}/events?follow=1", header


@pytest.mark.parametrize("accept", [SSE, NDJSON])
async def test_a_caller_with_too_many_open_is_refused_until_one_is_closed(application, accept):
    address, header = await read(caller, "ada")
    foreign, other = await read(caller, "bob")
    async with (
        line(application, address, header, accept=accept) as first,
        socket(application, header) as second,
    ):
        await first.until('"hb"')
        await second.until("hello")
        async with line(application, address, header, accept=accept) as third:
            assert third.status == 429
            assert int(third.headers["retry-after"]) > 0
            assert "rate-limited" in await third.end()
        async with socket(application, header) as fourth:
            assert (await fourth.until("close"))["code"] == 4429
        async with line(application, foreign, other, accept=accept) as theirs:
            assert theirs.status == 200
        async with line(application, address, header, accept="application/json") as page:
            assert page.status == 200  # it ends at once, and holds nothing
    assert len(CONNECTIONS) == 0
    async with line(application, address, header, accept=accept) as again:
        assert again.status == 200
        await again.until('"hb"')
    assert len(CONNECTIONS) == 0


async def test_zero_is_no_limit(application, limits):
    limits(CONNECTIONS_MAX=0)
    address, header = await read(caller, "ada")
    async with (
        line(application, address, header) as first,
        line(application, address, header) as second,
        line(application, address, header) as third,
    ):
        assert {first.status, second.status, third.status} == {200}
