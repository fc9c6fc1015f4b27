"""Inputs, outputs, items and event payloads: their size on the page, their content only behind a link.

A payload may be huge and may be nobody's business, so no page reads one: the column is deferred and the database
is asked for its length. Who may see payloads loads them one at a time.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BigIntegerField, Func, QuerySet, TextField
from django.db.models.functions import Cast
from django.db.models.sql.compiler import SQLCompiler
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse

from outbox.models import Entry
from workflows.models import Item, Run, Step


class JSONSize(Func):
    """Bytes of a JSON column as text, computed where it lies; null where there is none."""

    template = "octet_length((%(expressions)s)::text)"
    output_field = BigIntegerField()

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any) -> Any:
        return self.as_sql(compiler, connection, template="length(CAST(%(expressions)s AS BLOB))", **extra)


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a kind of payload lies: its column, and the rows of a run that have it."""

    column: str
    rows: Callable[[UUID], QuerySet[Any]]


SOURCES = {
    "input": Source(column="input", rows=lambda run_id: Run.objects.filter(pk=run_id)),
    "output": Source(column="output", rows=lambda run_id: Step.objects.filter(run_id=run_id)),
    "item": Source(column="data", rows=lambda run_id: Item.objects.filter(run_id=run_id)),
    "event": Source(column="payload", rows=lambda run_id: Entry.objects.filter(stream_id=run_id)),
}


@dataclass(frozen=True, kw_only=True)
class Payload:
    """What a page says of a payload. size: bytes, None when there is none; url: None when it is not for the reader.

    key: names this content on its page; another content has another key, so an opened one is not kept by mistake.
    """

    key: str
    size: int | None
    url: str | None


def payload_of(kind: str, row: Any, *, run_id: UUID, can_view: bool) -> Payload:
    """row: with its `payload_size`, as `reading` annotates it."""
    url = reverse("admin:workflows_run_payload", args=[run_id, kind, row.pk]) if can_view else None
    return Payload(key=f"{kind}-{row.pk}-{row.payload_size}", size=row.payload_size, url=url)


def payload_view(request: HttpRequest, run_id: UUID, *, kind: str, key: str) -> HttpResponse:
    """One payload as JSON, exactly as it is stored. Raises Http404.

    The text goes out as the database has it: a large value is never parsed and written again here.
    """
    if kind not in SOURCES:
        raise Http404
    source = SOURCES[kind]
    try:
        found = source.rows(run_id).filter(pk=key).annotate(text=Cast(source.column, TextField()))
        text = found.values_list("text", flat=True).first()
    except (ValidationError, ValueError) as error:  # not an id at all
        raise Http404 from error
    if text is None:
        raise Http404
    headers = {
        "Content-Disposition": f'inline; filename="{kind}-{run_id.hex[-8:]}.json"',
        "X-Content-Type-Options": "nosniff",
    }
    return HttpResponse(text, content_type="application/json", headers=headers)
