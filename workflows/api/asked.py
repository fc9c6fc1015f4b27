"""Each request has an id: in the header `X-Request-ID` of its answer, in a problem, and in the log lines it caused."""

import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from inspect import iscoroutinefunction
from typing import Any
from uuid import uuid4

from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import sync_and_async_middleware
from django.utils.encoding import escape_uri_path

HEADER = "X-Request-ID"
# One of the caller's, or of a proxy that logs it too, is kept when it is harmless everywhere.
HARMLESS = re.compile(r"[A-Za-z0-9._-]{8,64}")


@dataclass(frozen=True, slots=True)
class Asked:
    """path: as a reference in a problem, percent-encoded."""

    id: str
    path: str


_asked: ContextVar[Asked | None] = ContextVar("asked", default=None)


def now_asked() -> Asked | None:
    """What is being answered; None outside a request."""
    return _asked.get()


Answer = Callable[[HttpRequest], Any]


@sync_and_async_middleware
def request_ids(get_response: Answer) -> Answer:
    if iscoroutinefunction(get_response):
        ask: Callable[[HttpRequest], Awaitable[HttpResponseBase]] = get_response

        async def answer_async(request: HttpRequest) -> HttpResponseBase:
            with _asking(request) as asked:
                response = await ask(request)
            response.headers[HEADER] = asked.id
            return response

        return answer_async

    def answer(request: HttpRequest) -> HttpResponseBase:
        with _asking(request) as asked:
            response: HttpResponseBase = get_response(request)
        response.headers[HEADER] = asked.id
        return response

    return answer


@contextmanager
def _asking(request: HttpRequest) -> Iterator[Asked]:
    given = request.headers.get(HEADER, "")
    asked = Asked(id=given if HARMLESS.fullmatch(given) else str(uuid4()), path=escape_uri_path(request.path))
    token = _asked.set(asked)
    try:
        yield asked
    finally:
        _asked.reset(token)
