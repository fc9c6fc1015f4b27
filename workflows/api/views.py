"""The API of runs. Each view finds its run through the one door, reads once, and calls a service to change it."""

from collections.abc import Callable
from uuid import UUID

from django.shortcuts import get_object_or_404
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from outbox import wire
from outbox.models import Audience
from workflows import selectors
from workflows.api.authentication import principal
from workflows.api.cursors import items_cursor
from workflows.api.pagination import chosen, page_of_runs, page_size, plain_text, whole_number
from workflows.api.verbs import StartRun, erase_run
from workflows.models import Run
from workflows.principals import Principal
from workflows.rights import may_see_items
from workflows.states import RunState
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
        """Runs that the caller may see, newest first. Query: state, workflow, cursor, limit."""
        runs = selectors.runs_visible_to(principal(request))
        if state := request.query_params.get("state"):
            if state not in RunState.values:
                raise ValidationError(f"state is one of {', '.join(RunState.values)}")
            runs = runs.filter(state=state)
        if workflow := plain_text(request.query_params.get("workflow"), name="workflow"):
            runs = runs.filter(workflow=workflow)
        limit = page_size(request.query_params.get("limit"))
        with selectors.consistent_read():
            page, cursor = page_of_runs(runs, cursor=request.query_params.get("cursor"), limit=limit)
            rows = selectors.run_rows(page, link=request.build_absolute_uri, viewer=principal(request))
        answer = Response({"runs": rows, "next": cursor})
        if cursor is not None:
            query = request.query_params.copy()
            query["cursor"] = cursor
            answer["Link"] = f'<{request.build_absolute_uri(request.path)}?{query.urlencode()}>; rel="next"'
        return answer


class RunDetail(APIView):
    def get(self, request: Request, run_id: UUID) -> Response:
        """The snapshot: everything of one moment, with the `seq` that a stream goes on from."""
        with selectors.consistent_read():
            body = selectors.snapshot(
                visible_run(request, run_id), link=request.build_absolute_uri, viewer=principal(request)
            )
        headers = {} if body["is_terminal"] else {"Retry-After": str(POLL_SECONDS)}
        return Response(body, headers={**headers, "Cache-Control": "no-store"})

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
        more = parent is not None and len(rows) == limit
        return Response({"steps": rows, "next": steps[-1].index if more else None})


class StepAttempts(APIView):
    def get(self, request: Request, run_id: UUID, step: str) -> Response:
        """Every try at a step, forward and undo, in order. Which worker, for operators only."""
        run = visible_run(request, run_id)
        found = get_object_or_404(run.steps.defer("output", "item"), name=plain_text(step, name="step"))
        return Response(
            {
                "attempts": selectors.attempts(
                    found, for_operator=principal(request).audience == Audience.OPERATOR
                )
            }
        )


class RunItems(APIView):
    def get(self, request: Request, run_id: UUID) -> Response:
        """Current items in the order of their events. Query: step, after (`next` of the page before), limit,
        include=gone (also those that a later attempt replaced or retracted, each saying by which).
        """
        limit = page_size(request.query_params.get("limit"))
        run = run_with(request, run_id, may_see_items)
        step = plain_text(request.query_params.get("step"), name="step")
        with_gone = chosen(request.query_params.get("include"), name="include", choice="gone")
        cursor = items_cursor(run, request.query_params.get("after"))
        items = selectors.page_items(run, after=cursor.seq, limit=limit, step=step, with_gone=with_gone)
        is_full = len(items) == limit
        following = wire.json_cursor(items[-1]["seq"], epoch=cursor.epoch) if is_full else None
        return Response({"items": items, "next": following})
