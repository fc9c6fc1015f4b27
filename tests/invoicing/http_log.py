import base64
import json
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from uuid import UUID

from outbox import wire
from outbox.consumer import Event, Head


class HttpLog:
    """The log over `GET /api/v1/runs/{id}/events`, for a service with a database of its own.

    The account must be staff: what it may not see it would pass over.
    """

    def __init__(self, base: str, *, user: str, password: str) -> None:
        self._base = base.rstrip("/")
        self._authorization = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

    def head(self, stream: UUID) -> Head | None:
        page = self._page(stream, after="0", limit=1)
        return Head(stream=stream, epoch=page["epoch"], seq=page["seq"]) if "seq" in page else None

    def heads(
        self, *, shards: Collection[int], since: datetime | None, after: UUID | None, limit: int
    ) -> Sequence[Head]:
        return []  # the API has no list of what is new

    def strangers(self, events: Collection[Event]) -> Collection[UUID]:
        return ()  # it would be a request for each event

    def entries(self, stream: UUID, *, epoch: int, after: int, limit: int) -> Sequence[Event]:
        page = self._page(stream, after=wire.format_cursor(after, epoch=epoch), limit=limit)
        return [
            Event(
                stream=stream,
                seq=envelope["seq"],
                epoch=page["epoch"],
                id=UUID(envelope["id"]),
                type=envelope["type"],
                audience="operator",  # the API does not say: as if only operators might see it
                envelope=envelope,
            )
            for envelope in page["events"]
        ]

    def _page(self, stream: UUID, *, after: str, limit: int) -> dict[str, Any]:
        """Empty when there is no such run. An answer that says "later" is an OSError: the consumer waits."""
        url = f"{self._base}/api/v1/runs/{stream}/events?after={after}&limit={limit}"
        request = Request(url, headers={"Authorization": self._authorization, "Accept": "application/json"})
        try:
            with urlopen(request, timeout=5) as answer:
                page: dict[str, Any] = json.load(answer)
                return page
        except HTTPError as error:
            if error.code == 404:
                return {"events": []}
            raise
