"""Who opens a socket: a browser by its session, another website by a ticket, a program by an API token."""

import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import parse_qs

from channels.security.websocket import WebsocketDenier
from django.db import Error

from streaming.gateway import read
from workflows.entrance.origins import is_welcome
from workflows.entrance.tickets import redeem
from workflows.principals import Principal, by_token

logger = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Application = Callable[[Scope, Any, Any], Awaitable[None]]


class SocketEntrance:
    """An ASGI application around two: `by_session` for who sends cookies, `known` for who is told by a secret.

    Cookies are sent by whatever page opens the socket, so there Channels compares the Origin with our hosts. A secret
    is not: whoever has it may come from a site among `stream_origins`, or from no site at all.
    """

    def __init__(self, known: Application, *, by_session: Application) -> None:
        self._known, self._by_session = known, by_session

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        headers = {name: value.decode("latin-1") for name, value in scope.get("headers", ())}
        ticket, token = _ticket(scope), _token(headers)
        if ticket is None and token is None:
            await self._by_session(scope, receive, send)
            return
        if not is_welcome(headers.get(b"origin"), host=headers.get(b"host", "")):
            await WebsocketDenier()(scope, receive, send)
            return
        try:
            scope["principal"] = await read(_find, ticket, token)
        except Error as error:
            logger.warning("socket not opened: database away", extra={"error": type(error).__name__})
            await WebsocketDenier()(scope, receive, send)
            return
        await self._known(scope, receive, send)


def _ticket(scope: Mapping[str, Any]) -> str | None:
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
    return query["ticket"][-1] if "ticket" in query else None


def _token(headers: Mapping[bytes, str]) -> str | None:
    scheme, _, secret = headers.get(b"authorization", "").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else None


def _find(ticket: str | None, token: str | None) -> Principal | None:
    return redeem(ticket) if ticket is not None else by_token(str(token))
