"""Writes: start a run, and each verb on one. Rights first, then the service; the answer is the run as it is then."""

from typing import Any
from uuid import UUID

from django.http import Http404
from django.shortcuts import get_object_or_404
from django.urls import reverse
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from workflows import selectors, services, telemetry
from workflows.api.authentication import principal
from workflows.api.pagination import plain_text
from workflows.api.requests import (
    Body,
    CancelBody,
    RerunBody,
    RetryBody,
    SkipBody,
    StartBody,
    caller,
    is_replay,
    plain,
    read_body,
    read_key,
)
from workflows.api.throttling import Starts
from workflows.definitions import find
from workflows.models import Run, Scope
from workflows.rights import PERMISSIONS, START, may, refuse_trusted


class StartRun(APIView):
    write_scope = Scope.START
    throttle_classes = (Starts,)

    def post(self, request: Request) -> Response:
        """Start a run of any workflow. 202 with its snapshot and Location; the same request again gets the same run."""
        if not request.user.has_perm(START):
            raise PermissionDenied(START)
        body = read_body(request, StartBody)
        workflow = find(body.workflow, version=body.version)
        refuse_trusted(workflow, "has a door of its own: it cannot be started here")
        key = read_key(request, scope="start", body=plain(request.data))
        replayed = is_replay(key)
        run = services.start(
            workflow,
            input=body.input,
            owner=caller(request),
            title=body.title,
            labels=body.labels,
            unique_key=body.unique_key,
            on_conflict=body.on_conflict,
            not_before=body.begins,
            request=key,
            called_from=telemetry.incoming(request.headers),
        )
        return accepted(request, run.pk, located=True, replayed=replayed)


class Verb(APIView):
    """POST a verb to a run that the caller sees. Subclasses say which, and what to do."""

    verb: str

    def post(self, request: Request, run_id: UUID, **parts: str) -> Response:
        run = get_object_or_404(selectors.runs_visible_to(principal(request)), pk=run_id)
        if not may(principal(request), self.verb, run):
            raise PermissionDenied(PERMISSIONS[self.verb])
        for name, part in parts.items():
            plain_text(part, name=name)
        scope = " ".join([self.verb, str(run.pk), *parts.values()])
        key = read_key(request, scope=scope, body=plain(request.data))
        replayed = is_replay(key)
        done = self.act(request, run, key, **parts)
        return accepted(request, done.pk, located=done.pk != run.pk, replayed=replayed)

    def act(self, request: Request, run: Run, key: services.Request | None, **parts: str) -> Run:
        raise NotImplementedError


class RunCancel(Verb):
    verb = "cancel"

    def act(self, request: Request, run: Run, key: services.Request | None, **parts: str) -> Run:
        body = read_body(request, CancelBody)
        return services.cancel(run.pk, by=caller(request), undo=body.undo, reason=body.reason, request=key)


class RunRetry(Verb):
    """Let a failed or cancelled run go on, from its failed step or a named one."""

    verb = "retry"

    def act(self, request: Request, run: Run, key: services.Request | None, **parts: str) -> Run:
        body = read_body(request, RetryBody)
        return services.retry(
            run.pk, by=caller(request), from_step=body.from_step, reason=body.reason, request=key
        )


class RunRerun(Verb):
    """Run it again, as a new run; the answer is the new one."""

    throttle_classes = (Starts,)
    verb = "rerun"

    def act(self, request: Request, run: Run, key: services.Request | None, **parts: str) -> Run:
        body = read_body(request, RerunBody)
        if body.input is not None:
            refuse_trusted(find(run.workflow, version=run.version), "takes no other input here")
        return services.rerun(
            run.pk,
            by=caller(request),
            from_step=body.from_step,
            input=body.input,
            reason=body.reason,
            request=key,
            called_from=telemetry.incoming(request.headers),
        )


class RunCompensate(Verb):
    """Undo the completed steps, newest first."""

    verb = "compensate"

    def act(self, request: Request, run: Run, key: services.Request | None, **parts: str) -> Run:
        return services.compensate(
            run.pk, by=caller(request), reason=read_body(request, Body).reason, request=key
        )


class StepSkip(Verb):
    verb = "skip"

    def act(self, request: Request, run: Run, key: services.Request | None, **parts: str) -> Run:
        body = read_body(request, SkipBody)
        return services.skip(
            run.pk,
            by=caller(request),
            step=parts["step"],
            output=body.output,
            reason=body.reason,
            request=key,
        )


class RunSignal(Verb):
    """Answer a waiting step: the whole body is the answer. None at all is an answer without content."""

    verb = "signal"

    def act(self, request: Request, run: Run, key: services.Request | None, **parts: str) -> Run:
        payload: Any = request.data or None
        return services.signal(run.pk, by=caller(request), name=parts["name"], payload=payload, request=key)


def erase_run(request: Request, run: Run) -> None:
    """Erase a run that has ended. Raises PermissionDenied, and as `services.erase`."""
    if not may(principal(request), "erase", run):
        raise PermissionDenied
    body = read_body(request, Body)
    key = read_key(request, scope=f"erase {run.pk}", body=plain(request.data))
    services.erase(run.pk, by=caller(request), reason=body.reason, request=key)


def accepted(request: Request, run_id: UUID, *, located: bool, replayed: bool) -> Response:
    """202 with the snapshot. located: with its address, for a run that the caller did not name."""
    with selectors.consistent_read():
        run = selectors.runs_visible_to(principal(request)).filter(pk=run_id).first()
        if run is None:
            raise Http404
        body = selectors.snapshot(run, link=request.build_absolute_uri, viewer=principal(request))
    headers = {"Cache-Control": "no-store"}
    if located:
        headers["Location"] = request.build_absolute_uri(reverse("run", args=[run_id]))
    if replayed:
        headers["Idempotency-Replayed"] = "true"
    return Response(body, status=202, headers=headers)
