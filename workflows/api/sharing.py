"""Share links of a run: made, listed and revoked by whoever may share it."""

from typing import Any, Literal
from uuid import UUID

from django.http import Http404
from django.shortcuts import get_object_or_404
from django.urls import reverse
from pydantic import AwareDatetime, Field
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from outbox import wire
from outbox.clock import CLOCK
from workflows import selectors
from workflows.api.authentication import principal
from workflows.api.requests import Body, caller, read_body
from workflows.entrance.sharing import share, unshare
from workflows.models import LinkScope, Run, ShareLink
from workflows.rights import PAYLOADS, PERMISSIONS, may_see_payloads, may_share


class ShareBody(Body):
    scopes: list[Literal["progress", "items", "result"]] = ["progress"]
    expires_at: AwareDatetime | None = Field(None, strict=False)


class ShareLinks(APIView):
    def get(self, request: Request, run_id: UUID) -> Response:
        """The links that open the run now, newest first, without their secrets."""
        run = run_to_share(request, run_id)
        links = ShareLink.objects.live(CLOCK.now()).filter(run=run).select_related("created_by")
        return Response({"share_links": [_row(link) for link in links.order_by("-pk")]})

    def post(self, request: Request, run_id: UUID) -> Response:
        """A link for whoever has it, read only: 201 with its `url`, which is told this once."""
        run, body = run_to_share(request, run_id), read_body(request, ShareBody)
        if set(body.scopes) - {LinkScope.PROGRESS} and not may_see_payloads(principal(request), run):
            raise PermissionDenied(PAYLOADS)
        link, secret = share(
            run.pk, by=caller(request), scopes=body.scopes, expires_at=body.expires_at, reason=body.reason
        )
        url = request.build_absolute_uri(reverse("shared-page", args=[secret]))
        return Response({**_row(link), "url": url}, status=201, headers={"Cache-Control": "no-store"})


class OneShareLink(APIView):
    def delete(self, request: Request, run_id: UUID, link_id: int) -> Response:
        """From now on it opens nothing."""
        run = run_to_share(request, run_id)
        if link_id >= 2**63:
            raise Http404
        link = get_object_or_404(run.share_links, pk=link_id)
        unshare(link, by=caller(request), reason=read_body(request, Body).reason)
        return Response(status=204)


def run_to_share(request: Request, run_id: UUID) -> Run:
    """Raises Http404, PermissionDenied."""
    asker = principal(request)
    run = get_object_or_404(selectors.runs_visible_to(asker), pk=run_id)
    if not may_share(asker, run):
        raise PermissionDenied(PERMISSIONS["share"])
    return run


def _row(link: ShareLink) -> dict[str, Any]:
    return {
        "id": link.pk,
        "scopes": link.scopes,
        "created_by": link.created_by.get_username(),
        "created_at": wire.timestamp(link.created_at),
        "expires_at": wire.timestamp(link.expires_at),
    }
