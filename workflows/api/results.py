"""`GET /api/v1/runs/{id}/result`: all of it, or a part that a JSON Pointer names."""

from collections.abc import Generator
from uuid import UUID

from django.http import HttpResponseBase
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from workflows import browsing, results, selectors
from workflows.api.downloads import streamed
from workflows.api.pagination import page_size, whole_number
from workflows.api.problems import problem
from workflows.api.views import POLL_SECONDS, run_with
from workflows.browsing import NoSuchPart
from workflows.conf import conf
from workflows.models import Run
from workflows.results import Whole
from workflows.rights import may_see_result

OF_A_PART = ("pointer", "depth", "limit", "after", "whole")


class RunResult(APIView):
    def get(self, request: Request, run_id: UUID) -> HttpResponseBase:
        """The output of the last step, once the run has completed.

        Query, each of which asks for a part: pointer (JSON Pointer; empty: the root), depth (levels of members), limit
        (members of each), after (`next` of the page before), whole=1 (the JSON of all that is there, as a file).
        """
        run = run_with(request, run_id, may_see_result)
        if (refusal := without_result(run)) is not None:
            return refusal
        asked = request.query_params
        if any(name in asked for name in OF_A_PART):
            return _part(request, run)
        if results.is_large(run):
            return _download(request, _enveloped(run, results.read_whole(run)))
        return Response({"run": str(run.id), "result": selectors.result(run)})


def without_result(run: Run) -> Response | None:
    """The problem that there is no result, or None."""
    if (missing := results.missing(run)) is None:
        return None
    slug, detail = missing
    answer = problem(slug, detail, current_state=run.state)
    if not run.is_terminal and slug == "run-not-finished":
        answer["Retry-After"] = str(POLL_SECONDS)
    return answer


def _part(request: Request, run: Run) -> HttpResponseBase:
    asked = request.query_params
    pointer = asked.get("pointer", "")
    highest = conf().result_depth_max
    depth = whole_number(asked.get("depth", "1"), name="depth", low=0, high=highest)
    limit = page_size(asked.get("limit"))
    try:
        names = browsing.parse(pointer)
        if whole_number(asked.get("whole", "0"), name="whole", low=0, high=1):
            whole = results.read_whole(run, names)
            return _download(request, whole, filename="result.json")
        part = results.read_part(run, names, depth=depth, limit=limit, after=asked.get("after"))
    except NoSuchPart as error:
        return no_such_part(pointer, error)
    except ValueError as error:
        raise ValidationError(f"{error}") from None
    return Response({"run": str(run.id), **part}, headers={"Cache-Control": "no-store"})


def no_such_part(pointer: str, error: NoSuchPart) -> Response:
    detail = f"{results.leads_nowhere(pointer, error)} Ask with pointer={error.nearest[:200]} to see what is there."
    return problem("no-such-part", detail, nearest=error.nearest, kind=error.kind, count=error.count)


def _enveloped(run: Run, whole: Whole) -> Whole:
    """As the answer with a small result: `{run, result}`."""
    head, tail = b'{"run":"%b","result":' % str(run.id).encode(), b"}"

    def chunks() -> Generator[bytes, None, None]:
        yield head
        yield from whole.chunks
        yield tail

    return Whole(chunks(), None if whole.size is None else len(head) + whole.size + len(tail))


def _download(request: Request, whole: Whole, *, filename: str | None = None) -> HttpResponseBase:
    return streamed(
        request, whole.chunks, content_type="application/json", size=whole.size, filename=filename
    )
