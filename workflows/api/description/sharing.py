"""Share links, what they open, and tickets for streams, described."""

from dataclasses import replace
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from workflows.api import requests, sharing, tickets
from workflows.api.description.operations import JSON, Answer, Operation, Operations, answers_json
from workflows.api.description.runs import IF_NONE_MATCH, read_operations

TAG = "Share links"
LINKS = "/api/v1/runs/{run_id}/share-links"
# What a link opens: id and summary, by what follows the run in the address.
OPENED = {
    "": ("get_shared_run", "The snapshot, as its readers may see it"),
    "/events": ("read_shared_events", "The public log: a page, or a stream; items where the link shows them"),
    "/items": ("list_shared_items", "What the steps streamed; a link with the scope `items`"),
    "/result": ("get_shared_result", "The result, or a part of it; a link with the scope `result`"),
}


class ShareLink(BaseModel):
    """Without its secret, which nobody has but who was told it."""

    id: int
    scopes: list[Literal["progress", "items", "result"]]
    created_by: str = Field(description="a username")
    created_at: datetime
    expires_at: datetime


class NewShareLink(ShareLink):
    url: str = Field(description="of the page that it opens, with the secret: told this once")


class ShareLinkList(BaseModel):
    share_links: list[ShareLink]


class Ticket(BaseModel):
    ticket: str = Field(description="for `?ticket=` of one stream or socket, once")
    expires_at: datetime


def sharing_operations() -> Operations:
    return {**_links(), **_tickets(), **_opened()}


def _links() -> Operations:
    return {
        ("GET", LINKS): Operation(
            id="list_share_links",
            tag=TAG,
            summary="The links that open a run now, newest first",
            answers=answers_json(ShareLinkList, "All of them."),
        ),
        ("POST", LINKS): Operation(
            id="make_share_link",
            tag=TAG,
            summary="A link for whoever has it, to read one run",
            answers={201: Answer(description="It opens the run from now on.", content={JSON: NewShareLink})},
            body={JSON: sharing.ShareBody},
            body_required=False,
        ),
        ("DELETE", f"{LINKS}/{{link_id}}"): Operation(
            id="revoke_share_link",
            tag=TAG,
            summary="Revoke a link: its streams end at their next heartbeat",
            answers={204: Answer(description="It opens nothing any more.")},
            body={JSON: requests.Body},
            body_required=False,
        ),
    }


def _tickets() -> Operations:
    return {
        ("POST", "/api/v1/stream-tickets"): Operation(
            id="make_stream_ticket",
            tag="Runs",
            summary="A ticket for one stream, where no cookie and no header can be sent",
            answers={201: Answer(description="It is good for a minute, once.", content={JSON: Ticket})},
            body={JSON: tickets.TicketBody},
            body_required=False,
            problems=["not-found"],
        )
    }


def _opened() -> Operations:
    """The reads of a run as they are, for whoever has the secret of a link to it."""
    reads = read_operations()
    found = {}
    for part, (id, summary) in OPENED.items():
        read = reads["GET", f"/api/v1/runs/{{run_id}}{part}"]
        found["GET", f"/api/v1/shared/{{secret}}{part}"] = replace(
            read,
            id=id,
            tag=TAG,
            summary=summary,
            # A snapshot that waits, and tickets, are for callers whom the service knows.
            parameters=[each for each in read.parameters if each.name != "ticket"]
            if part
            else [IF_NONE_MATCH],
            problems=[*read.problems, "permission-denied", "not-acceptable"],
            is_public=True,
        )
    return found
