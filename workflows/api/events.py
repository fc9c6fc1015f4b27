"""The log of a run. Asynchronous, since a stream would hold a worker thread for as long as someone watches."""

from uuid import UUID

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponseBase
from django.views.decorators.http import require_GET
from rest_framework.exceptions import AuthenticationFailed

from streaming.gateway import Refused, events_response
from workflows.access import check_access
from workflows.api.authentication import authenticate, challenge
from workflows.api.problems import plain_problem


@require_GET
async def run_events(request: HttpRequest, run_id: UUID) -> HttpResponseBase:
    """JSON page, server-sent events or NDJSON, by Accept; `after` is the cursor."""
    try:
        user = await sync_to_async(authenticate)(request)
    except AuthenticationFailed as error:
        user, detail = None, str(error.detail)
    else:
        detail = "Sign in, or send a name and a password (HTTP Basic)."
    if user is None:
        answer = plain_problem("not-authenticated", detail)
        answer["WWW-Authenticate"] = challenge(request)
        return answer
    try:
        return await events_response(request, run_id=run_id, principal=user, access=check_access)
    except Refused as refused:
        return plain_problem(refused.slug, refused.detail, status=refused.status)
