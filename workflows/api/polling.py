"""A read of a run that waits for news (`after=`, `wait=`), without a thread or a database connection meanwhile."""

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import Error
from django.http import HttpRequest, HttpResponseBase
from rest_framework.exceptions import AuthenticationFailed

from streaming.gateway import Refused, read, wait_for_run, wait_seconds
from workflows.access import check_access
from workflows.api.authentication import identify
from workflows.api.problems import plain_problem

View = Callable[..., HttpResponseBase]


def polled(view: View) -> Callable[..., Coroutine[Any, Any, HttpResponseBase]]:
    """A view of a run which first waits as long as the request says. It still answers all that it refuses itself."""

    @wraps(view)  # what it says of itself too: that it is a class of DRF, which checks CSRF
    async def polled_view(request: HttpRequest, run_id: UUID, **parts: str) -> HttpResponseBase:
        if "wait" in request.GET and request.method == "GET" and not await _waited(request, run_id):
            return plain_problem("not-found", "There is nothing at this address that you may see.")
        return await sync_to_async(view)(request, run_id=run_id, **parts)

    return polled_view


async def _waited(request: HttpRequest, run_id: UUID) -> bool:
    """False: their right to see the run ended meanwhile. Whatever makes no sense is left to the view."""
    try:
        seconds = wait_seconds(request.GET["wait"])
        principal = await read(identify, request) if seconds else None
        if principal is None:
            return True
        return await wait_for_run(
            run_id,
            principal=principal,
            access=check_access,
            after=request.GET.get("after"),
            seconds=seconds,
        )
    except (AuthenticationFailed, Error, Refused):
        return True
