"""The API of runs. Each view finds its run through the one door, reads once, and calls a service to change it."""

from collections.abc import Callable
from uuid import UUID

from django.shortcuts import get_object_or_404
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from outbox.models import Audience
from streaming.gateway import next_link, wait_seconds
from workflows import selectors
from workflows.api.authentication import principal
from workflows.api.cursors import read_cursor
from workflows.api.etags import tagged
from workflows.api.filters import count_of, filtered
from workflows.api.pagination import page_of_runs, page_size, plain_text, whole_number
from workflows.api.verbs import StartRun, erase_run
from workflows.models import Run
from workflows.principals import Principal
from workflows.usage import usage_of_parts, usage_of_steps

POLL_SECONDS = 5


def visible_run(request: Request, run_id: UUID) -> Run:
    """The run, if the caller may see it. Raises Http404."""
    return get_object_or_404(selectors.runs_visible_to(principal(request)), pk=run_id)


def run_with(request: Request, run_id: UUID, may_see: Callable[[Principal, Run], bool]) -> Run:
    """The run, if the caller may read what came of it; may_see: of `workflows.rights`.

    Raises Http404, PermissionDenied.
    """
    run = visible_run(request, run_id)
    if not may_see(principal(request), run):
        raise PermissionDenied
    return run


class RunList(StartRun):
    def get(self, request: Request) -> Response:
        """Runs that the caller may see, newest first. Query: filters (see `filters.filtered`), count, cursor, limit."""
        runs = filtered(selectors.runs_visible_to(principal(request)), request.query_params)
        limit = page_size(request.query_params.get("limit"))
        with selectors.consistent_read():
            page, cursor = page_of_runs(runs, cursor=request.query_params.get("cursor"), limit=limit)
            rows = selectors.run_rows(page, link=request.build_absolute_uri, viewer=principal(request))
            count = count_of(runs, request.query_params)
        headers = {} if cursor is None else {"Link": next_link(request._request, cursor=cursor)}
        counted = {} if count is None else {"count": count}
        return Response({"runs": rows, "next": cursor, **counted}, headers=headers)


class RunDetail(APIView):
    def get(self, request: Request, run_id: UUID) -> Response:
        """The snapshot: everything of one moment, with the `seq` that a stream goes on from.

        Query: wait (seconds) and after (cursor): answer once the log goes on from there; see `polling.polled`.
        """
        wait_seconds(request.query_params.get("wait"))
        read_cursor(request.query_params.get("after"))
        with selectors.consistent_read():
            body = selectors.snapshot(
                visible_run(request, run_id), link=request.build_absolute_uri, viewer=principal(request)
            )
        headers = {} if body["is_terminal"] else {"Retry-After": str(POLL_SECONDS)}
        return tagged(request, body, headers=headers)

    def delete(self, request: Request, run_id: UUID) -> Response:
        """Erase the run with all that it holds; see `verbs.erase_run`."""
        erase_run(request, visible_run(request, run_id))
        return Response(status=204)


class RunSteps(APIView):
    def get(self, request: Request, run_id: UUID) -> Response:
        """The steps of the plan; `parent=<step>`: the parts of a fan-out. Query: parent, after (an index), limit."""
        run = visible_run(request, run_id)
        limit = page_size(request.query_params.get("limit"))
        after = whole_number(request.query_params.get("after", "-1"), name="after", low=-1, high=10**6)
        parent = plain_text(request.query_params.get("parent"), name="parent")
        with selectors.consistent_read():
            if parent is None:
                steps, used = selectors.steps_of(run), usage_of_steps(run.id)
            else:
                steps = selectors.parts_of(run, parent, after=after, limit=limit)
                used = usage_of_parts(steps)
        rows = [selectors.step_snapshot(step, usage=used.get(step.id)) for step in steps]
        if parent is None or len(rows) < limit:
            return Response({"steps": rows, "next": None})
        following = steps[-1].index
        return Response(
            {"steps": rows, "next": following}, headers={"Link": next_link(request._request, after=following)}
        )


class StepAttempts(APIView):
    def get(self, request: Request, run_id: UUID, step: str) -> Response:
        """Every try at a step, forward and undo, in order. Which worker, for operators only."""
        run = visible_run(request, run_id)
        found = get_object_or_404(run.steps.defer("output", "item"), name=plain_text(step, name="step"))
        is_operator = principal(request).audience == Audience.OPERATOR
        return Response({"attempts": selectors.attempts(found, for_operator=is_operator)})
