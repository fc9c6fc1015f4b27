"""The log of a run. Asynchronous, since a stream would hold a worker thread for as long as someone watches."""

import logging
from collections.abc import Awaitable, Callable
from uuid import UUID

from django.db import Error
from django.http import HttpRequest, HttpResponseBase
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe
from rest_framework.exceptions import AuthenticationFailed

from streaming.gateway import Refused, events_response, read
from workflows.access import check_access
from workflows.api.authentication import challenge, identify
from workflows.api.permissions import ScopeMissing
from workflows.api.problems import plain_problem
from workflows.entrance.origins import is_named, is_welcome
from workflows.entrance.tickets import redeem
from workflows.models import Scope
from workflows.principals import Principal

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 5
SIGN_IN = "Sign in, or send an API token, or a name and a password (HTTP Basic)."
USED_TICKET = "This ticket was used, or is too old: each opens one stream. Ask for another one."


@require_safe
async def run_events(request: HttpRequest, run_id: UUID) -> HttpResponseBase:
    """JSON page, server-sent events or NDJSON, by Accept; `after` is the cursor, `ticket` one of `/stream-tickets`."""
    answer = await answered(lambda: _answer(request, run_id))
    origin = request.headers.get("Origin")
    if "ticket" in request.GET and origin is not None and is_named(origin):
        answer["Access-Control-Allow-Origin"] = origin
        patch_vary_headers(answer, ["Origin"])
    return answer


async def answered(answer: Callable[[], Awaitable[HttpResponseBase]]) -> HttpResponseBase:
    """The answer, or the problem why there is none."""
    try:
        return await answer()
    except Refused as refused:
        refusal = plain_problem(refused.slug, refused.detail, status=refused.status, **refused.extras)
        if "retry_after_seconds" in refused.extras:
            refusal["Retry-After"] = str(refused.extras["retry_after_seconds"])
        return refusal
    except Error as error:
        logger.warning("log not readable", extra={"error": type(error).__name__})
        problem = plain_problem("overloaded", "The log cannot be read now; try again in a few seconds.")
        problem["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return problem


async def log_for(request: HttpRequest, run_id: UUID, principal: Principal) -> HttpResponseBase:
    """The log as `principal` may read it. Raises Refused, Error."""
    if not principal.has(Scope.READ):
        missing = ScopeMissing(Scope.READ)
        return plain_problem("permission-denied", str(missing.detail), required_scope=missing.scope)
    return await events_response(request, run_id=run_id, principal=principal, access=check_access)


async def _answer(request: HttpRequest, run_id: UUID) -> HttpResponseBase:
    principal, detail = None, SIGN_IN
    if "ticket" in request.GET:
        if not is_welcome(request.headers.get("Origin"), host=request.get_host()):
            return plain_problem("permission-denied", "Pages of this website may open no stream here.")
        principal, detail = await read(redeem, request.GET["ticket"]), USED_TICKET
    else:
        try:
            # Not on the request's own thread: its connection would be kept for as long as the answer lasts.
            principal = await read(identify, request)
        except AuthenticationFailed as error:
            detail = str(error.detail)
    if principal is None:
        answer = plain_problem("not-authenticated", detail)
        answer["WWW-Authenticate"] = challenge(request)
        return answer
    return await log_for(request, run_id, principal)
