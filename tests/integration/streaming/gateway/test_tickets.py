"""Tickets and tokens on streams and sockets: one use, one minute, and no longer than what they stand for."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from channels.layers import channel_layers
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from config.asgi import build
from streaming.gateway.reads import read
from tests.factories import make_run
from tests.integration.streaming.gateway.lines import NDJSON, SSE, line, socket
from workflows.entrance.sharing import share, unshare
from workflows.entrance.tickets import make_ticket, redeem
from workflows.models import ApiToken, StreamTicket
from workflows.principals import by_token, principal_of
from workflows.services.tokens import make_token

pytestmark = pytest.mark.django_db(transaction=True)
ELSEWHERE = "https://app.example.com"


@pytest.fixture
def application(settings: Any, limits: Callable[..., None]) -> Any:
    channel_layers.backends.clear()
    limits(HEARTBEAT_SECONDS=0.1)
    return build()


@pytest.fixture
def ada(transactional_db: None) -> User:
    return User.objects.create_user("ada", password="a long and private word")


@pytest.fixture
def run(ada: User) -> Any:
    return make_run(ada)


@pytest.fixture
def ticket(ada: User, run: Any) -> str:
    """By name and password, for one run."""
    return make_ticket(principal_of(ada), run_id=run.pk)[0]


def events(run: Any, ticket: str = "", **query: Any) -> str:
    given = {"ticket": ticket, **query} if ticket else query
    return f"/api/v1/runs/{run.pk}/events?" + "&".join(f"{name}={value}" for name, value in given.items())


def origin(name: str) -> tuple[bytes, bytes]:
    return b"origin", name.encode()


def test_a_ticket_is_asked_for_with_any_way_in_and_is_good_for_a_minute(ada, run):
    address, body = reverse("stream-tickets"), {"run": str(run.pk)}
    browser = Client(enforce_csrf_checks=False)
    browser.force_login(ada)
    program = Client(headers={"Authorization": f"Bearer {make_token(ada, name='a program')[1]}"})
    for caller in (browser, program):
        answer = caller.post(address, body, content_type="application/json")
        assert answer.status_code == 201
        assert answer["Cache-Control"] == "no-store"
        assert answer.json()["ticket"].startswith("lht_")
    ticket = StreamTicket.objects.latest("pk")
    assert timezone.now() < ticket.expires_at <= timezone.now() + timedelta(seconds=60)
    assert answer.json()["ticket"] not in str(vars(ticket))
    assert Client().post(address, body, content_type="application/json").status_code == 401


def test_no_ticket_is_given_for_a_run_of_somebody_else(run, stranger):
    browser = Client()
    browser.force_login(stranger)
    answer = browser.post(reverse("stream-tickets"), {"run": str(run.pk)}, content_type="application/json")
    assert answer.status_code == 404
    answer = browser.post(reverse("stream-tickets"), {"run": 7}, content_type="application/json")
    assert answer.status_code == 400


def test_of_many_who_come_with_one_ticket_one_gets_in(ticket, ada):
    def come(_: int) -> bool:
        try:
            return redeem(ticket) is not None
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(come, range(4))) == [False, False, False, True]


def test_a_ticket_that_is_too_old_opens_nothing_and_is_cleared_away(ticket, ada):
    StreamTicket.objects.update(expires_at=timezone.now())
    make_ticket(principal_of(ada), run_id=None)
    assert StreamTicket.objects.count() == 1
    assert redeem(ticket) is None
    assert redeem("lht_nobody") is None


@pytest.mark.parametrize("accept", [SSE, NDJSON])
async def test_a_ticket_opens_one_stream(application, run, ticket, accept):
    address = events(run, ticket, follow=1)
    async with line(application, address, accept=accept) as opened:
        assert opened.status == 200
        await opened.until('"hb"')
    async with line(application, address, accept=accept) as again:
        assert again.status == 401
        assert "opens one stream" in await again.end()


async def test_a_ticket_opens_one_socket(application, run, ticket):
    async with socket(application, query=f"ticket={ticket}") as opened:
        await opened.follow(run.pk)
        await opened.until("subscribed")
        await opened.until("hb")
    async with socket(application, query=f"ticket={ticket}") as again:
        assert (await again.until("close"))["code"] == 4401


async def test_a_ticket_for_one_run_opens_no_other_one(application, ada, run, ticket):
    other = await read(make_run, ada)
    async with line(application, events(other, ticket)) as opened:
        assert opened.status == 404
    fresh, _ = await read(make_ticket, principal_of(ada), run_id=run.pk)
    async with socket(application, query=f"ticket={fresh}") as opened:
        await opened.follow(other.pk)
        assert (await opened.until("error"))["problem"]["status"] == 404
        await opened.follow(run.pk)
        await opened.until("subscribed")


async def test_a_stream_ends_with_the_token_that_its_ticket_was_asked_for_with(application, ada, run):
    _, secret = await read(make_token, ada, name="a program")
    principal = await read(by_token, secret)
    address = events(run, (await read(make_ticket, principal, run_id=None))[0])
    query = f"ticket={(await read(make_ticket, principal, run_id=None))[0]}"
    async with line(application, address) as stream, socket(application, query=query) as heard:
        await heard.follow(run.pk)
        await stream.until('"hb"')
        await heard.until("hb")
        await read(lambda: ApiToken.objects.update(revoked_at=timezone.now()))
        await stream.until('"error"')
        assert (await heard.until("error"))["problem"]["status"] == 404


async def test_a_token_opens_streams_and_sockets_by_its_header_until_it_is_revoked(application, ada, run):
    _, secret = await read(make_token, ada, name="a program")
    header = (b"authorization", f"Bearer {secret}".encode())
    async with line(application, events(run), header) as stream, socket(application, header) as heard:
        await heard.follow(run.pk)
        await stream.until('"hb"')
        await heard.until("hb")
        await read(lambda: ApiToken.objects.update(expires_at=timezone.now()))
        await stream.until('"error"')
        await heard.until("error")
    async with line(application, events(run), header) as stream, socket(application, header) as heard:
        assert stream.status == 401
        assert (await heard.until("close"))["code"] == 4401


async def test_without_the_scope_to_read_no_socket_and_no_stream_shows_anything(application, ada, run):
    _, secret = await read(make_token, ada, name="a program", scopes=["start"])
    header = (b"authorization", f"Bearer {secret}".encode())
    async with line(application, events(run), header) as stream, socket(application, header) as heard:
        assert stream.status == 403
        await heard.follow(run.pk)
        assert (await heard.until("error"))["problem"]["status"] == 404


@pytest.mark.parametrize(
    ("site", "is_let_in", "may_read"),
    [
        (ELSEWHERE, True, True),
        ("http://localhost", True, False),
        ("https://evil.example", False, False),
        ("null", False, False),
    ],
)
async def test_pages_of_named_websites_open_streams_with_a_ticket(
    application, ada, run, limits, site, is_let_in, may_read
):
    limits(STREAM_ORIGINS=f"https://other.example, {ELSEWHERE}")
    tickets = [(await read(make_ticket, principal_of(ada), run_id=None))[0] for _ in range(2)]
    async with line(application, events(run, tickets[0]), origin(site)) as stream:
        assert stream.status == (200 if is_let_in else 403)
        assert stream.headers.get("access-control-allow-origin") == (site if may_read else None)
        assert "access-control-allow-credentials" not in stream.headers
    async with socket(application, origin(site), query=f"ticket={tickets[1]}") as heard:
        assert heard.was_let_in == is_let_in


async def test_a_named_website_gets_nothing_by_the_cookie_of_its_visitor(application, ada, run, limits):
    limits(STREAM_ORIGINS=ELSEWHERE)
    browser = Client()
    await read(browser.force_login, ada)
    cookie = (b"cookie", f"sessionid={browser.cookies['sessionid'].value}".encode())
    async with line(application, events(run), origin(ELSEWHERE), cookie) as stream:
        assert "access-control-allow-origin" not in stream.headers
    async with socket(application, origin(ELSEWHERE), cookie) as heard:
        assert not heard.was_let_in


async def test_a_stream_of_a_share_link_ends_with_the_link_at_the_next_heartbeat(application, run):
    link, secret = await read(share, run.pk, by=run.owner)
    async with line(application, f"/api/v1/shared/{secret}/events") as stream:
        assert stream.status == 200
        await stream.until('"hb"')
        await read(unshare, link, by=run.owner)
        await stream.until('"error"')
    async with line(application, f"/api/v1/shared/{secret}/events") as stream:
        assert stream.status == 404
