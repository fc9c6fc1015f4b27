"""The limit around the ASGI application, as a server calls it."""

from collections.abc import Callable
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from django.contrib.auth.models import User
from django.core.asgi import get_asgi_application
from django.test import Client

from documents.body_limit import MARK, BodyLimit

LIMIT = 20_000_000 + 1_000_000


class Recorder:
    """An application that reads its body to the end."""

    def __init__(self) -> None:
        self.size = 0
        self.types: list[str] = []
        self.scope: Any = {}

    async def __call__(self, scope: Any, receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
        self.scope = scope
        more = True
        while more:
            message = await receive()
            self.types.append(message["type"])
            self.size += len(message.get("body", b""))
            more = message.get("more_body", False)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


async def feed(
    application: Any, scope: dict[str, Any], *, chunk: bytes, count: int
) -> ApplicationCommunicator:
    communicator = ApplicationCommunicator(application, scope)
    for number in range(count):
        more = number < count - 1
        await communicator.send_input({"type": "http.request", "body": chunk, "more_body": more})
    return communicator


async def test_a_body_within_the_limit_passes_untouched():
    inner = Recorder()
    communicator = await feed(BodyLimit(inner), {"type": "http"}, chunk=b"a" * 1_000, count=5)
    await communicator.receive_output()
    assert (inner.size, MARK in inner.scope) == (5_000, False)


async def test_of_a_larger_body_the_rest_is_dropped_and_the_request_marked():
    inner = Recorder()
    communicator = await feed(BodyLimit(inner), {"type": "http"}, chunk=b"a" * 1_000_000, count=60)
    await communicator.receive_output()
    assert inner.size == LIMIT
    assert inner.scope[MARK] is True
    assert set(inner.types) == {"http.request"}


async def test_a_body_without_an_end_is_cut_off():
    inner = Recorder()
    chunk = b"a" * 5_000_000
    communicator = await feed(
        BodyLimit(inner), {"type": "http"}, chunk=chunk, count=20 * LIMIT // len(chunk) + 5
    )
    await communicator.receive_output()
    assert inner.types[-1] == "http.disconnect"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("declared", [True, False], ids=["with-length", "chunked"])
@pytest.mark.parametrize("signs_in", ["basic", "session"])
async def test_a_large_upload_gets_its_answer_from_the_api(
    settings, owner: User, declared: bool, signs_in: str
):
    settings.LONGHAUL = {**settings.LONGHAUL, "UPLOAD_MAX_BYTES": 50_000, "UPLOAD_OVERHEAD_BYTES": 10_000}
    start = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.pdf"\r\n\r\n'
    body = start + b"a" * 500_000 + b"\r\n--b--\r\n"
    headers = [(b"host", b"localhost"), (b"content-type", b"multipart/form-data; boundary=b")]
    if declared:
        headers.append((b"content-length", str(len(body)).encode()))
    headers += (
        await credentials(owner)
        if signs_in == "session"
        else [(b"authorization", b"Basic YW5uYTphbm5hLXBhc3N3b3Jk")]
    )
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
        "path": "/api/analysis", "raw_path": b"/api/analysis", "query_string": b"", "headers": headers,
        "client": ("127.0.0.1", 1), "server": ("localhost", 80), "root_path": "",
    }  # fmt: skip
    communicator = ApplicationCommunicator(BodyLimit(get_asgi_application()), scope)
    for place in range(0, len(body), 16_384):
        more = place + 16_384 < len(body)
        await communicator.send_input(
            {"type": "http.request", "body": body[place : place + 16_384], "more_body": more}
        )
    answer = await communicator.receive_output(timeout=10)
    content = await communicator.receive_output(timeout=10)
    await communicator.wait(timeout=10)
    assert answer["status"] == 413
    assert b'"payload-too-large"' in content["body"]


async def credentials(user: User) -> list[tuple[bytes, bytes]]:
    """A session's cookie and its CSRF token."""
    client = Client()
    await client.aforce_login(user)
    token = "a" * 32
    cookie = f"sessionid={client.cookies['sessionid'].value}; csrftoken={token}"
    return [(b"cookie", cookie.encode()), (b"x-csrftoken", token.encode())]
