"""`POST /stream-tickets`: a stream for where no cookie and no header can be sent."""

from uuid import UUID

from django.shortcuts import get_object_or_404
from pydantic import Field
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from outbox import wire
from workflows import selectors
from workflows.api.authentication import principal
from workflows.api.requests import Body, read_body
from workflows.entrance.tickets import make_ticket
from workflows.models import Scope


class TicketBody(Body):
    run: UUID | None = Field(None, strict=False)


class StreamTickets(APIView):
    write_scope = Scope.READ

    def post(self, request: Request) -> Response:
        """A ticket for one stream of `run`, or of any run of the caller's: `{ticket, expires_at}`."""
        body, caller = read_body(request, TicketBody), principal(request)
        if body.run is not None:
            get_object_or_404(selectors.runs_visible_to(caller), pk=body.run)
        secret, expires_at = make_ticket(caller, run_id=body.run)
        answer = {"ticket": secret, "expires_at": wire.timestamp(expires_at)}
        return Response(answer, status=201, headers={"Cache-Control": "no-store"})
