"""Answers with a tag of what they say: who has it already is told so, and sent nothing."""

import hashlib
from typing import Any

from django.utils.http import parse_etags
from rest_framework.request import Request
from rest_framework.response import Response

from outbox import wire

TAG_CHARS = 32
# It may be kept, by the caller only, and is asked about each time: who has signed out learns nothing from a cache.
CACHE_CONTROL = "private, no-cache"


def tagged(request: Request, body: Any, *, headers: dict[str, str] | None = None) -> Response:
    """200 with `body` and its `ETag`, or 304 when the caller's `If-None-Match` names it."""
    tag = f'"{hashlib.sha256(wire.encode(body)).hexdigest()[:TAG_CHARS]}"'
    told = {**(headers or {}), "ETag": tag, "Cache-Control": CACHE_CONTROL}
    known = parse_etags(request.headers.get("If-None-Match", ""))
    if known == ["*"] or tag in (name.removeprefix("W/") for name in known):
        return Response(status=304, headers=told)
    return Response(body, headers=told)
