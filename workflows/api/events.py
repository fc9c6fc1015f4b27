"""The log of a run. Asynchronous, since a stream would hold a worker thread for as long as someone watches."""

import logging
from uuid import UUID

from django.db import Error
from django.http import HttpRequest, HttpResponseBase
from django.views.decorators.http import require_safe
from rest_framework.exceptions import AuthenticationFailed

from streaming.gateway import Refused, events_response, read
from workflows.access import check_access
from workflows.api.authentication import challenge, identify
from workflows.api.problems import plain_problem

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 5


@require_safe
async def run_events(request: HttpRequest, run_id: UUID) -> HttpResponseBase:
    """JSON page, server-sent events or NDJSON, by Accept; `after` is the cursor."""
    try:
        return await _answer(request, run_id)
    except Refused as refused:
        return plain_problem(refused.slug, refused.detail, status=refused.status, **refused.extras)
    except Error as error:
        logger.warning("log not readable", extra={"run": run_id, "error": type(error).__name__})
        answer = plain_problem("overloaded", "The log cannot be read now; try again in a few seconds.")
        answer["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return answer


async def _answer(request: HttpRequest, run_id: UUID) -> HttpResponseBase:
    detail = "Sign in, or send a name and a password (HTTP Basic)."
    try:
        # Not on the request's own thread: its connection would be kept for as long as the answer lasts.
        principal = await read(identify, request)
    except AuthenticationFailed as error:
        principal, detail = None, str(error.detail)
    if principal is None:
        answer = plain_problem("not-authenticated", detail)
        answer["WWW-Authenticate"] = challenge(request)
        return answer
    return await events_response(request, run_id=run_id, principal=principal, access=check_access)
