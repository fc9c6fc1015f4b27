"""The gateway behind a real server, as `config/asgi.py` puts it: for tests with clients that nobody here wrote."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import uvicorn
from asgiref.sync import sync_to_async
from channels.routing import URLRouter
from django.core.asgi import get_asgi_application
from django.db import connections
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.urls import path

from config.ports import free_port
from streaming.gateway import Refused, RunSocket, SendLimit, events_response
from streaming.gateway.access import Access

# What requests used to "authenticate": their own thread's database connection.
request_connections: list[Any] = []
rights: list[Access] = []
SOMEBODY = object()


async def events(request: HttpRequest, run_id: UUID) -> HttpResponseBase:
    await sync_to_async(_authenticate)()
    try:
        return await events_response(request, run_id=run_id, principal=None, access=rights[-1])
    except Refused as refused:
        return JsonResponse(refused.problem(), status=refused.status, content_type="application/problem+json")


def _authenticate() -> None:
    connection = connections["default"]
    connection.ensure_connection()
    request_connections.append(connection)


urlpatterns = [path("runs/<uuid:run_id>/events", events)]


@asynccontextmanager
async def serving(access: Access, *, signed_in: bool = True) -> AsyncIterator[str]:
    """Yields host and port."""
    rights.append(access)
    http = SendLimit(get_asgi_application())
    sockets = URLRouter(
        [
            path(
                "ws/v1",
                RunSocket.as_asgi(access=access, identify=lambda scope: SOMEBODY if signed_in else None),
            )
        ]
    )

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await http(scope, receive, send)
        else:
            await sockets(scope, receive, send)

    port = free_port()
    config = uvicorn.Config(
        application,
        port=port,
        lifespan="off",
        log_config=None,
        access_log=False,
        ws_per_message_deflate=False,
    )
    server = uvicorn.Server(config)
    is_up = asyncio.Event()
    original = server.startup

    async def startup(**options: Any) -> None:
        await original(**options)
        is_up.set()

    server.startup = startup  # type: ignore[method-assign]
    task = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(20):
            await is_up.wait()
        yield f"127.0.0.1:{port}"
    finally:
        server.should_exit = True
        async with asyncio.timeout(20):
            await task
        rights.pop()
