"""What a share link opens: the views of the API for its one run, read only, at addresses that hold its secret."""

from collections.abc import Callable
from typing import Any, cast

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponseBase
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework.views import APIView

from streaming.gateway import read
from workflows.api.events import answered, log_for
from workflows.api.problems import plain_problem
from workflows.principals import Principal, by_link


class LinkHolder(BaseAuthentication):
    """Whom `shared` has found: nobody by name, and no session beside the link counts."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, Principal]:
        return AnonymousUser(), cast(Any, request._request).link_holder


def shared(view: type[APIView]) -> Callable[..., HttpResponseBase]:
    """`view` of a run, for the run of the link whose secret the address holds."""
    inner = view.as_view(authentication_classes=[LinkHolder])

    @csrf_exempt
    @require_http_methods(["GET", "HEAD", "OPTIONS"])
    def answer(request: HttpRequest, secret: str, **parts: Any) -> HttpResponseBase:
        holder = by_link(secret)
        if holder is None:
            return no_such_link()
        cast(Any, request).link_holder = holder
        found: HttpResponseBase = inner(request, run_id=holder.run_id, **parts)
        return found

    return answer


@require_safe
async def shared_events(request: HttpRequest, secret: str) -> HttpResponseBase:
    """The public events of the run, without items where the link does not show them."""

    async def answer() -> HttpResponseBase:
        holder = await read(by_link, secret)
        if holder is None or holder.run_id is None:
            return no_such_link()
        return await log_for(request, holder.run_id, holder)

    return await answered(answer)


def no_such_link() -> HttpResponseBase:
    return plain_problem(
        "not-found", "This link opens nothing: it has expired, or was revoked, or is cut off."
    )
