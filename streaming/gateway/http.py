"""`GET /api/v1/runs/{id}/events`: one address, three formats of the same log."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseBase

from outbox import wire
from outbox.models import Stream
from streaming.conf import conf
from streaming.gateway import ndjson, sse
from streaming.gateway.access import Access
from streaming.gateway.connections import require_room
from streaming.gateway.errors import Refused, cursor_expired, misfit, not_found
from streaming.gateway.log import events_page, read_tip
from streaming.gateway.opening import Opening, open_run
from streaming.gateway.polling import await_news, wait_seconds
from streaming.gateway.reads import read

JSON = "application/json"
LIMIT_DIGITS = 9
FORMATS = {"json": JSON, "sse": sse.CONTENT_TYPE, "ndjson": ndjson.CONTENT_TYPE}


async def events_response(
    request: HttpRequest, *, run_id: UUID, principal: Any, access: Access
) -> HttpResponseBase:
    """The log of a run as JSON page, server-sent events or NDJSON, by `Accept` or `?format=`.

    Query: after (cursor; the `Last-Event-ID` header counts too, the one further ahead wins), limit and wait (seconds
    until there must be an answer, if nothing happens before; both JSON), follow=1 (NDJSON). Raises Refused (not-found,
    validation-error, not-acceptable, and cursor-expired where the answer has an end; a stream says `reset`): the caller
    words it as problem+json.
    """
    content_type = _negotiate(request)
    limit, seconds = _limit(request.GET.get("limit")), wait_seconds(request.GET.get("wait"))
    given = (request.GET.get("after"), request.headers.get("Last-Event-ID"))
    cursors = [cursor for cursor in given if cursor]
    opening = await open_run(run_id, principal=principal, access=access, cursors=cursors)
    follows = content_type == ndjson.CONTENT_TYPE and _is_on(request.GET.get("follow"))
    is_stream = follows or content_type == sse.CONTENT_TYPE
    if not opening.goes_on and not is_stream:
        raise cursor_expired(pruned=opening.tip.pruned, snapshot=opening.seen.snapshot)
    if request.method == "HEAD" and content_type != JSON:  # a stream would go on, unseen
        return HttpResponse(content_type=content_type, headers=sse.STREAM_HEADERS)
    if is_stream:
        require_room(principal)
    if content_type == sse.CONTENT_TYPE:
        return sse.sse_response(opening)
    if content_type == ndjson.CONTENT_TYPE:
        return ndjson.ndjson_response(opening, follows=follows)
    if not await await_news(opening, seconds=seconds):
        raise not_found()
    return await _json_response(request, opening, limit=limit)


async def _json_response(request: HttpRequest, opening: Opening, *, limit: int) -> HttpResponse:
    try:
        page = await read(_page, opening, limit)
    except Stream.DoesNotExist as error:
        raise not_found() from error
    answer = HttpResponse(wire.encode(page), content_type=JSON, headers={"Cache-Control": "no-store"})
    if page["next"] is not None:
        answer["Link"] = next_link(request, after=page["next"])
    return answer


def next_link(request: HttpRequest, **changed: Any) -> str:
    """The `Link` header that leads to the next page: the same address with `changed` in its query."""
    query = request.GET.copy()
    for name, value in changed.items():
        query[name] = str(value)
    return f'<{request.build_absolute_uri(request.path)}?{query.urlencode()}>; rel="next"'


def _page(opening: Opening, limit: int) -> dict[str, Any]:
    seen = opening.seen
    page = events_page(
        opening.run, after=opening.after, limit=limit, audience=seen.audience, withheld=seen.withheld
    )
    # What is missing after the cursor may have been removed while the page was read: nobody could tell it from events
    # of another audience.
    tip = read_tip(opening.run)
    if tip is None:
        raise not_found()
    if not tip.goes_on_from(opening.cursor):
        raise cursor_expired(pruned=tip.pruned, snapshot=seen.snapshot)
    return page


def _negotiate(request: HttpRequest) -> str:
    if name := request.GET.get("format"):
        if name not in FORMATS:
            raise misfit(f"format is one of {', '.join(FORMATS)}, not {name[:40]!r}")
        return FORMATS[name]
    preferred = request.get_preferred_type(list(FORMATS.values()))
    if preferred is None:
        raise Refused("not-acceptable", 406, f"The log is served as {', '.join(FORMATS.values())}.")
    return str(preferred)


def _limit(text: str | None) -> int:
    limits = conf()
    if text is None:
        return limits.events_page_size
    # Short first: converting thousands of digits is work, or an error of its own.
    limit = int(text) if len(text) <= LIMIT_DIGITS and text.isascii() and text.isdigit() else 0
    if not 1 <= limit <= limits.events_page_size_max:
        raise misfit(f"limit is a whole number from 1 to {limits.events_page_size_max}")
    return limit


def _is_on(text: str | None) -> bool:
    if text not in (None, "0", "1", "true", "false"):
        raise misfit("follow is 1 or 0")
    return text in ("1", "true")
