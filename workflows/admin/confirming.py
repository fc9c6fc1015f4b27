"""The confirmation page and what follows it: one run or many, each chosen as it stood when the page was drawn."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse

from outbox.models import Stream
from workflows.admin.acting import ERASE, Verb
from workflows.admin.conf import conf
from workflows.admin.forms import ReasonForm
from workflows.admin.previews import Preview
from workflows.admin.reading import runs_to_act_on
from workflows.errors import EngineError, InvalidInput
from workflows.models import Run
from workflows.principals import NOBODY, Principal, signed_in
from workflows.rights import may_see_payloads
from workflows.services import allowed_actions

MOVED_ON = "it has moved on since you looked at it; look at it again"
ERASED = "it was erased since you looked at it"
NOT_NOW = "its state does not allow this now"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A run on the confirmation page. preview: None when the verb does not fit its state.

    token: the run as it stood when it was shown, `<id>:<last seq of its log>`.
    """

    run: Run
    token: str
    preview: Preview | None


def choices(verb: Verb, runs: Iterable[Run], *, viewer: Principal) -> list[Choice]:
    """runs: as `runs_to_act_on` reads them. viewer: for whom previews are made. One erased since is left out."""
    chosen = list(runs)
    heads = dict(Stream.objects.filter(key__in=[run.pk for run in chosen]).values_list("key", "head"))
    found = []
    for run in [run for run in chosen if run.pk in heads]:
        steps = list(run.steps.all())
        fits = verb.name in allowed_actions(run, steps)
        can_view = may_see_payloads(viewer, run)
        preview = verb.preview(run, steps, can_view=can_view) if fits else None
        found.append(Choice(run=run, token=f"{run.pk}:{heads[run.pk]}", preview=preview))
    return found


def confirmation(
    request: HttpRequest,
    verb: Verb,
    *,
    run_ids: Iterable[UUID],
    context: dict[str, Any],
    filters: str | None,
    form: ReasonForm | None = None,
) -> HttpResponse:
    """What will happen, and the button that does it. filters: of the list it came from; None for a run's own page."""
    runs = runs_to_act_on(signed_in(request), run_ids)
    found = choices(verb, runs, viewer=signed_in(request))
    ready = [choice for choice in found if choice.preview is not None]
    back = _back([choice.run.pk for choice in found], filters)
    if not ready:
        _tell_refused(request, verb, [(choice.run.title, NOT_NOW) for choice in found])
        return redirect(back)
    context = {
        **context,
        "title": f"{verb.label}: {ready[0].run.title}"
        if len(found) == 1
        else f"{verb.label} {len(ready)} runs",
        "verb": verb,
        "is_single": len(found) == 1,
        "ready": ready,
        "left_out": [choice for choice in found if choice.preview is None],
        "form": form or form_of(verb, ready, None),
        "filters": filters,
        "back": back,
    }
    return TemplateResponse(request, "admin/workflows/run/confirm.html", context)


def form_of(verb: Verb, ready: Sequence[Choice], data: QueryDict | None) -> ReasonForm:
    """The verb's form; for one run it offers what that run has."""
    if len(ready) != 1:
        return verb.form(data)
    return verb.form(data, run=ready[0].run, steps=list(ready[0].run.steps.all()))


def act(request: HttpRequest, verb: Verb, *, context: dict[str, Any]) -> HttpResponse:
    """Do what the confirmation page showed, run by run, and say of each that was refused why."""
    tokens, filters = request.POST.getlist("run"), request.POST.get("filters")
    chosen = dict(parsed for token in tokens[: conf().admin_bulk_max] if (parsed := _parse(token)))
    runs = list(runs_to_act_on(signed_in(request), chosen))
    form = form_of(verb, choices(verb, runs, viewer=NOBODY), request.POST)
    if not form.is_valid():
        return confirmation(request, verb, run_ids=chosen, context=context, filters=filters, form=form)
    titles = {run.pk: run.title for run in runs}
    done: list[str] = []
    refused: list[tuple[str, str]] = []
    made: Run | None = None
    for run_id in [run_id for run_id in chosen if run_id in titles]:
        try:
            made = _perform(request, verb, run_id, head=chosen[run_id], form=form)
            done.append(titles[run_id])
        except InvalidInput as error:  # what was asked for does not fit: say so where it was filled in
            form.add_error(None, f"{error}.")
            return confirmation(request, verb, run_ids=chosen, context=context, filters=filters, form=form)
        except EngineError as error:
            refused.append((titles[run_id], str(error)))
        except Run.DoesNotExist:
            refused.append((titles[run_id], ERASED))
            del chosen[run_id]  # it has no page to lead back to
    _tell_done(request, verb, done)
    _tell_refused(request, verb, refused)
    if verb is ERASE and done:
        return redirect(_back([], ""))
    return redirect(_back([made.pk] if made and len(chosen) == 1 else list(chosen), filters))


def _perform(request: HttpRequest, verb: Verb, run_id: UUID, *, head: int, form: ReasonForm) -> Run | None:
    """Raises EngineError when it was not done, Run.DoesNotExist when the run was erased meanwhile.

    The verb guards itself under the run's lock; the head is compared so that nobody undoes more than he was shown.
    """
    if not Stream.objects.filter(key=run_id, head=head).exists():
        raise EngineError(MOVED_ON)
    return verb.perform(run_id, by=request.user, reason=form.cleaned_data["reason"], **form.extras())


def _tell_done(request: HttpRequest, verb: Verb, titles: list[str]) -> None:
    if titles:
        messages.success(request, f"{verb.done}: {_named(titles)}.")


def _tell_refused(request: HttpRequest, verb: Verb, refused: list[tuple[str, str]]) -> None:
    """refused: title and reason of each."""
    for why in dict.fromkeys(why for _, why in refused):
        titles = [title for title, reason in refused if reason == why]
        messages.warning(request, f"{verb.label} was refused. {_named(titles)}: {why}.")


def _named(titles: list[str]) -> str:
    quoted = ", ".join(f"“{title}”" for title in titles)
    return quoted if len(titles) == 1 else f"{_runs(len(titles))} ({quoted})"


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count} runs"


def _parse(token: str) -> tuple[UUID, int] | None:
    """A token that is not one of ours names no run."""
    run_id, _, head = token.partition(":")
    try:
        return UUID(run_id), int(head)
    except ValueError:
        return None


def _back(run_ids: list[UUID], filters: str | None) -> str:
    if filters is None and len(run_ids) == 1:
        return reverse("admin:workflows_run_change", args=run_ids)
    address = reverse("admin:workflows_run_changelist")
    return f"{address}?{filters}" if filters else address
