"""`/api/openapi.json` and its page: made once a process, for anyone, since it says nothing of what is stored."""

import hashlib
import json
from collections.abc import Callable
from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import etag, require_safe
from drf_spectacular.generators import SchemaGenerator

from workflows.api.description.browsing import sections

# The page is text: it needs a style, and nothing else from anywhere.
PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)


@cache
def openapi_document() -> dict[str, Any]:
    document: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return document


@cache
def encoded(make: Callable[[], dict[str, Any]]) -> tuple[bytes, str]:
    """The JSON of a document, and its tag."""
    data = json.dumps(make(), indent=1, ensure_ascii=False).encode()
    return data, f'"{hashlib.sha256(data).hexdigest()[:32]}"'


def serving(make: Callable[[], dict[str, Any]]) -> Callable[..., HttpResponseBase]:
    """A view of a document as JSON."""

    @require_safe
    @etag(lambda request: encoded(make)[1])
    def document(request: HttpRequest) -> HttpResponse:
        headers = {"Cache-Control": "public, max-age=300", "Access-Control-Allow-Origin": "*"}
        return HttpResponse(encoded(make)[0], content_type="application/json", headers=headers)

    return document


@require_safe
def api_page(request: HttpRequest) -> HttpResponse:
    """The same to read, without a script."""
    document = openapi_document()
    answer = render(request, "docs/api.html", {"info": document["info"], "sections": sections(document)})
    answer["Content-Security-Policy"] = PAGE_POLICY
    return answer
