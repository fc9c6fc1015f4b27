"""The API of runs. Each view finds its run through the one door, reads once, and calls a service to change it."""

from collections.abc import Callable, Mapping
from typing import ClassVar
from uuid import UUID

from django.shortcuts import get_object_or_404
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from workflows import selectors, services
from workflows.api.pagination import page_of_runs, page_size, plain_text, whole_number
from workflows.api.problems import problem
from workflows.models import Run
from workflows.states import RunState

POLL_SECONDS = 5
SEQ_MAX = 10**18 - 1  # below 64 bits, as `outbox.wire` reads cursors


def _run(request: Request, run_id: UUID) -> Run:
    return get_object_or_404(selectors.runs_visible_to(request.user), pk=run_id)


class RunList(APIView):
    def get(self, request: Request) -> Response:
        """Runs that the caller may see, newest first. Query: state, workflow, cursor, limit."""
        runs = selectors.runs_visible_to(request.user)
        if state := request.query_params.get("state"):
            if state not in RunState.values:
                raise ValidationError(f"state is one of {', '.join(RunState.values)}")
            runs = runs.filter(state=state)
        if workflow := plain_text(request.query_params.get("workflow"), name="workflow"):
            runs = runs.filter(workflow=workflow)
        limit = page_size(request.query_params.get("limit"))
        with selectors.consistent_read():
            page, cursor = page_of_runs(runs, cursor=request.query_params.get("cursor"), limit=limit)
            rows = selectors.run_rows(page, link=request.build_absolute_uri)
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
            body = selectors.snapshot(_run(request, run_id), link=request.build_absolute_uri)
        headers = {} if body["is_terminal"] else {"Retry-After": str(POLL_SECONDS)}
        return Response(body, headers={**headers, "Cache-Control": "no-store"})


class RunItems(APIView):
    def get(self, request: Request, run_id: UUID) -> Response:
        """Committed items in the order of their events. Query: step, after (a seq), limit."""
        after = whole_number(request.query_params.get("after", "0"), name="after", low=0, high=SEQ_MAX)
        limit = page_size(request.query_params.get("limit"))
        run = _run(request, run_id)
        step = plain_text(request.query_params.get("step"), name="step")
        items = selectors.page_items(run, after=after, limit=limit, step=step)
        following = items[-1]["seq"] if len(items) == limit else None
        return Response({"items": items, "next": following})


class RunResult(APIView):
    def get(self, request: Request, run_id: UUID) -> Response:
        """The output of the last step, once the run has completed."""
        run = _run(request, run_id)
        if run.state != RunState.COMPLETED:
            detail = f"The run is {run.state}: its result is there once it has completed."
            answer = problem("run-not-finished", detail, current_state=run.state)
            if not run.is_terminal:
                answer["Retry-After"] = str(POLL_SECONDS)
            return answer
        return Response({"run": str(run.id), "result": selectors.result(run)})


class _Verb(APIView):
    """POST an operator's verb: it takes the verb's own permission, also of the run's owner."""

    permission: ClassVar[str]
    verb: ClassVar[Callable[..., Run]]

    def post(self, request: Request, run_id: UUID) -> Response:
        run = _run(request, run_id)
        if not request.user.has_perm(self.permission):
            raise PermissionDenied
        reason = request.data.get("reason", "") if isinstance(request.data, Mapping) else ""
        if not isinstance(reason, str):
            raise ValidationError("reason is text")
        type(self).verb(run.id, by=request.user, reason=reason)
        with selectors.consistent_read():
            body = selectors.snapshot(_run(request, run_id), link=request.build_absolute_uri)
        return Response(body, status=202)


class RunRetry(_Verb):
    """Let a failed run go on from its failed step."""

    permission = "workflows.retry_run"
    verb = staticmethod(services.retry)


class RunCompensate(_Verb):
    """Undo the completed steps, newest first."""

    permission = "workflows.compensate_run"
    verb = staticmethod(services.compensate)
