"""`GET /api/v1/runs/{id}/items`: a page of JSON, or all items as NDJSON or CSV."""

import csv
import io
import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.db import close_old_connections
from django.http import HttpResponseBase
from rest_framework.exceptions import NotAcceptable, ValidationError
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from outbox import wire
from streaming.gateway import next_link
from workflows import selectors
from workflows.api.authentication import principal
from workflows.api.cursors import items_cursor
from workflows.api.downloads import Chunks, streamed
from workflows.api.pagination import chosen, page_size, plain_text
from workflows.api.views import run_with
from workflows.models import Run
from workflows.rights import may_see_items

FORMATS = {"json": "application/json", "ndjson": "application/x-ndjson", "csv": "text/csv"}
ITEMS_AT_ONCE = 200
COLUMNS = ("seq", "step", "attempt", "index", "key", "type", "replaced_by_attempt", "retracted_by_attempt")
# A spreadsheet takes a text that begins so for a formula, and runs it.
FORMULA_BEGINS = ("=", "+", "-", "@", "\t", "\r")

Item = dict[str, Any]


class RunItems(APIView):
    def perform_content_negotiation(self, request: Request, force: bool = False) -> tuple[JSONRenderer, str]:
        """`?format=`, else `Accept`. Problems are JSON whatever was asked for."""
        if not force:
            self.format = _format_of(request)
        return JSONRenderer(), FORMATS["json"]

    def get(self, request: Request, run_id: UUID) -> HttpResponseBase:
        """Current items in the order of their events. Query: step, after (`next` of the page before), format, limit (of
        JSON), include=gone (also those that a later attempt replaced or retracted, each saying by which).
        """
        limit = page_size(request.query_params.get("limit"))
        run = run_with(request, run_id, may_see_items)
        step = plain_text(request.query_params.get("step"), name="step")
        with_gone = chosen(request.query_params.get("include"), name="include", choice="gone")
        cursor = items_cursor(run, request.query_params.get("after"), viewer=principal(request))
        wanted = _Wanted(run, cursor, step, with_gone)
        if self.format != "json":
            chunks = wanted.as_ndjson() if self.format == "ndjson" else wanted.as_csv()
            return streamed(
                request, chunks, content_type=_charset(self.format), filename=f"items.{self.format}"
            )
        items = wanted.page(cursor.seq, limit)
        if len(items) < limit:
            return Response({"items": items, "next": None})
        following = wire.json_cursor(items[-1]["seq"], epoch=cursor.epoch)
        return Response(
            {"items": items, "next": following},
            headers={"Link": next_link(request._request, after=following)},
        )


def _format_of(request: Request) -> str:
    if name := request.query_params.get("format"):
        if name not in FORMATS:
            raise ValidationError(f"format is one of {', '.join(FORMATS)}")
        return name
    preferred = request._request.get_preferred_type(list(FORMATS.values()))
    if preferred is None:
        raise NotAcceptable(f"Items are served as {', '.join(FORMATS.values())}.")
    return next(name for name, media_type in FORMATS.items() if media_type == preferred)


def _charset(format: str) -> str:
    return FORMATS[format] + ("; charset=utf-8; header=present" if format == "csv" else "")


class _Wanted:
    """The items that a request names, read a page at a time: whoever takes them slowly holds no connection.

    An item that is replaced meanwhile comes again, with its new content: of one step and index, the last one counts.
    """

    def __init__(self, run: Run, cursor: wire.Cursor, step: str | None, with_gone: bool) -> None:
        self._run, self._cursor, self._step, self._with_gone = run, cursor, step, with_gone

    def page(self, after: int, limit: int) -> list[Item]:
        return selectors.page_items(
            self._run, after=after, limit=limit, step=self._step, with_gone=self._with_gone
        )

    def _pages(self) -> Iterator[list[Item]]:
        after = self._cursor.seq
        while items := self.page(after, ITEMS_AT_ONCE):
            close_old_connections()
            yield items
            after = items[-1]["seq"]

    def as_ndjson(self) -> Chunks:
        """One item a line, and last a line without `key`: a file without it was cut."""
        last, count = self._cursor.seq, 0
        for items in self._pages():
            yield b"".join(wire.encode(item) + b"\n" for item in items)
            last, count = items[-1]["seq"], count + len(items)
        end = {
            "type": "end",
            "last_seq": wire.json_cursor(last, epoch=self._cursor.epoch),
            "items_count": count,
        }
        yield wire.encode(end) + b"\n"

    def as_csv(self) -> Chunks:
        """RFC 4180: one item a row, one column for each member of the values that are there.

        They are read twice. A member that is first seen in the second reading breaks the answer off: better than a
        file that lacks it and looks whole.
        """
        members = dict.fromkeys(name for items in self._pages() for item in items for name in item["value"])
        columns = [name for name in COLUMNS if self._with_gone or not name.endswith("_by_attempt")]
        text = io.StringIO()
        rows = csv.DictWriter(text, [*columns, *(f"value.{name}" for name in members)])
        rows.writerow({name: _safe(name) for name in rows.fieldnames})
        yield _taken(text)
        for items in self._pages():
            rows.writerows(_row(item) for item in items)
            yield _taken(text)


def _row(item: Item) -> dict[str, Any]:
    plain = {name: _cell(item[name]) for name in COLUMNS if name in item}
    return plain | {f"value.{name}": _cell(value) for name, value in item["value"].items()}


def _cell(value: Any) -> str:
    """Texts as they are, nothing for null, all else as JSON."""
    if value is None:
        return ""
    return _safe(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _safe(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA_BEGINS) else text


def _taken(text: io.StringIO) -> bytes:
    """What was written since the last time."""
    data = text.getvalue().encode()
    text.seek(0)
    text.truncate()
    return data
