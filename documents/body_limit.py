"""No request body is larger than a document may be, counted as it comes in.

Django under ASGI writes a whole body to disk before a view, or a password, is asked. This wrapper stands
around the application: it passes on what the limit allows, drops the rest, and marks the request, so that the
view can answer in its own form (a page, a problem) instead of a torn connection.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from django.http import HttpRequest

from documents.conf import conf
from documents.uploads import too_large

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

MARK = "longhaul.body_too_large"
# A body this many times too large is not a mistake: its sender gets no page, only a closed connection.
HOPELESS_FACTOR = 20


class BodyLimit:
    """An ASGI application around another one."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            receive = _limited(scope, receive)
        await self._application(scope, receive, send)


def refuse_large_body(request: HttpRequest) -> None:
    """Raise UploadRefused when the request is too large, before anything of it is parsed."""
    limit = conf().upload_max_bytes + conf().upload_overhead_bytes
    declared = request.META.get("CONTENT_LENGTH") or "0"
    scope = getattr(request, "scope", {})
    if scope.get(MARK) or (declared.isdecimal() and int(declared) > limit):
        raise too_large()


def _limited(scope: Scope, receive: Receive) -> Receive:
    limit = conf().upload_max_bytes + conf().upload_overhead_bytes
    seen = 0

    async def receive_limited() -> Message:
        nonlocal seen
        message = await receive()
        if message["type"] != "http.request":
            return message
        body = message.get("body", b"")
        room, seen = max(limit - seen, 0), seen + len(body)
        if seen > limit:
            scope[MARK] = True
            message = {**message, "body": body[:room]}
        return {"type": "http.disconnect"} if seen > HOPELESS_FACTOR * limit else message

    return receive_limited
