"""What the forms on a run's page post to. Each answers with the page: after a deed by a redirect, so that a reload asks
for nothing twice.
"""

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from workflows import selectors, services
from workflows.definitions import Wait, find
from workflows.errors import InvalidInput, InvalidTransition, UnknownWorkflow
from workflows.models import Run
from workflows.pages.answers import AnswerForm
from workflows.pages.views import show
from workflows.principals import signed_in
from workflows.rights import may


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
def stop_run(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Stop a run. `undo` ticked: and undo what it did; it counts only if `may_undo` says that it could be ticked."""
    if request.method != "POST":  # on the way back from signing in
        return redirect("run-page", run_id)
    run = _run_for(request, run_id, "cancel")
    undo = "undo" in request.POST if "may_undo" in request.POST else None
    try:
        services.cancel(run.pk, by=_actor(request), undo=undo)
    except InvalidTransition:
        return show(request, run_id, refusal=moved_on(), status=409)
    except Run.DoesNotExist as erased:  # since we looked
        raise Http404 from erased
    return redirect("run-page", run_id)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
def answer_wait(request: HttpRequest, run_id: UUID, name: str) -> HttpResponse:
    """Answer what the run waits for; faults are shown beside the fields."""
    if request.method != "POST":
        return redirect("run-page", run_id)
    run = _run_for(request, run_id, "signal")
    form = AnswerForm(_wait_of(run, name), request.POST)
    if form.is_valid():
        try:
            services.signal(run.pk, by=_actor(request), name=name, payload=form.answer())
        except InvalidInput as refused:
            form.blame(refused.errors)
        except InvalidTransition:
            return show(request, run_id, refusal=moved_on(), status=409)
        except Run.DoesNotExist as erased:  # since we looked
            raise Http404 from erased
        else:
            return redirect("run-page", run_id)
    return show(request, run_id, given=form, status=400)


def moved_on() -> str:
    return _("That came too late: the run has moved on, and nothing was changed. This is how it stands now.")


def _run_for(request: HttpRequest, run_id: UUID, verb: str) -> Run:
    """The run. Raises Http404 when the user may not see it, PermissionDenied when they may not use the verb."""
    run = get_object_or_404(selectors.runs_visible_to(signed_in(request)), pk=run_id)
    if not may(signed_in(request), verb, run):
        raise PermissionDenied
    return run


def _wait_of(run: Run, name: str) -> Wait[object]:
    try:
        return find(run.workflow, version=run.version).wait(name)
    except (UnknownWorkflow, KeyError) as absent:
        raise Http404 from absent


def _actor(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # login_required
    return request.user
