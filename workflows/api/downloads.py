"""Answers that are never in memory as a whole: read while they are sent, as fast as the reader takes them."""

from collections.abc import AsyncIterator, Generator

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.db import close_old_connections
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from rest_framework.request import Request

Chunks = Generator[bytes, None, None]


def streamed(
    request: Request,
    chunks: Chunks,
    *,
    content_type: str,
    size: int | None = None,
    filename: str | None = None,
) -> HttpResponseBase:
    """size: in bytes, where it is known: told first, so that an answer that was cut is recognised. filename: for an
    answer that is to be kept. To HEAD, nothing is read.
    """
    headers = {"Cache-Control": "no-store"}
    if size is not None:
        headers["Content-Length"] = str(size)
    if filename is not None:
        headers["Content-Disposition"] = f'attachment; filename="{filename}"'
    if request.method == "HEAD":
        chunks.close()
        return HttpResponse(content_type=content_type, headers=headers)
    content = _paced(chunks) if isinstance(request._request, ASGIRequest) else chunks
    return StreamingHttpResponse(content, content_type=content_type, headers=headers)


async def _paced(chunks: Chunks) -> AsyncIterator[bytes]:
    """Read on the request's own thread, as fast as the reader takes it, and without a database connection."""
    await sync_to_async(close_old_connections)()
    try:
        while chunk := await sync_to_async(_next)(chunks):
            yield chunk
    finally:
        await sync_to_async(chunks.close)()


def _next(chunks: Chunks) -> bytes:
    return next(chunks, b"")
