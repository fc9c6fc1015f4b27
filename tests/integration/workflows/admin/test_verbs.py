"""Retry and undo in the admin: announced, confirmed, permitted, audited; refused with a reason."""

from collections.abc import Iterable
from uuid import UUID

import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.messages import get_messages
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from outbox.models import Entry, Stream
from tests.factories import make_run
from tests.integration.workflows.admin.scenes import FAILED, LIST, SCRIPT, ask_of, page_of
from workflows.models import AuditEntry, Run
from workflows.models.querysets import RunQuerySet
from workflows.states import RunState, StepState

pytestmark = pytest.mark.django_db(transaction=True)

DONE = (StepState.COMPLETED,) * 3


def act_of(slug: str) -> str:
    return reverse("admin:workflows_run_act", args=[slug])


def token(run: Run) -> str:
    return f"{run.pk}:{Stream.objects.get(key=run.pk).head}"


def said(response: HttpResponse) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


def failed_run(owner: User, **fields: object) -> Run:
    return make_run(owner, state=RunState.FAILED, steps=FAILED, **fields)


def state_of(run: Run) -> str:
    return Run.objects.values_list("state", flat=True).get(pk=run.pk)


def choose(client: Client, action: str, runs: Iterable[Run], **more: str) -> HttpResponse:
    chosen = {"action": action, "_selected_action": [run.pk for run in runs], "index": "0", **more}
    return client.post(f"{LIST}?workflow=test-ordering", chosen)


# --- what is offered -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "steps", "offered"),
    [
        (RunState.PENDING, (StepState.READY,), set()),
        (RunState.RUNNING, (StepState.RUNNING,), set()),
        (RunState.FAILED, (StepState.FAILED,), {"retry"}),
        (RunState.FAILED, FAILED, {"retry", "undo"}),
        (RunState.COMPLETED, DONE, {"undo"}),
        (RunState.COMPENSATED, (StepState.COMPENSATED,), set()),
    ],
)
@pytest.mark.parametrize("permitted", [set(), {"retry"}, {"undo"}, {"retry", "undo"}])
def test_a_button_is_drawn_where_state_and_permission_agree(
    owner, viewer, looking, state, steps, offered, permitted
):
    for slug in permitted:
        name = {"retry": "retry_run", "undo": "compensate_run"}[slug]
        viewer.user_permissions.add(Permission.objects.get(codename=name))
    run = make_run(owner, state=state, steps=steps)
    text = looking.get(page_of(run)).content.decode()
    drawn = {slug for slug in ("retry", "undo") if ask_of(run, slug) in text}
    assert drawn == offered & permitted


def test_an_undo_that_failed_can_be_undone_again(owner, admin):
    run = make_run(owner, state=RunState.COMPENSATION_FAILED, steps=(StepState.COMPENSATION_FAILED,))
    text = admin.get(ask_of(run, "undo")).content.decode()
    assert "its undo failed, and is tried again" in text


def test_list_actions_are_offered_by_permission(owner, viewer, looking, admin):
    make_run(owner)
    assert "retry_runs" in admin.get(LIST).content.decode()
    viewer.user_permissions.add(Permission.objects.get(codename="retry_run"))
    text = looking.get(LIST).content.decode()
    assert "retry_runs" in text
    assert "undo_runs" not in text


# --- what is announced ---------------------------------------------------------------------------------------


def test_the_confirmation_of_a_retry_says_where_it_goes_on_and_what_is_kept(owner, admin):
    run = failed_run(owner)
    text = admin.get(ask_of(run, "retry")).content.decode()
    assert "<strong>Charging</strong>: tried again, up to 2 times more" in text
    assert "Done, and not done again: Reserving, Listing." in text
    assert state_of(run) == RunState.FAILED


def test_the_confirmation_of_an_undo_lists_it_in_its_order_and_what_stays(owner, admin):
    run = make_run(owner, state=RunState.COMPLETED, steps=DONE)
    text = admin.get(ask_of(run, "undo")).content.decode()
    assert text.index("<strong>Charging</strong>") < text.index("<strong>Reserving</strong>")
    assert "Stays as it is, since it has no undo: Listing." in text
    assert "/payload/output/" in text


def test_a_step_whose_outcome_nobody_knows_is_announced_as_such(owner, admin):
    run = failed_run(owner)
    run.steps.filter(name="charge").update(outcome_unknown=True)
    assert (
        "nobody knows whether its last try had its effect" in admin.get(ask_of(run, "undo")).content.decode()
    )


def test_asking_for_what_the_state_does_not_allow_leads_back_with_a_reason(owner, admin):
    run = make_run(owner, steps=(StepState.RUNNING,))
    response = admin.get(ask_of(run, "retry"))
    assert response["Location"] == page_of(run)
    assert said(response) == ["Retry was refused. “Order of a lamp”: its state does not allow this now."]


# --- what is done --------------------------------------------------------------------------------------------


def test_a_retry_goes_on_from_the_failed_step_and_is_audited_in_the_same_commit(owner, admin, operator):
    run = failed_run(owner)
    response = admin.post(act_of("retry"), {"run": token(run), "reason": " the till is mended "})
    assert response["Location"] == page_of(run)
    assert said(response) == ["Going on from what failed: “Order of a lamp”."]
    assert state_of(run) == RunState.RUNNING
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.action, entry.reason) == (operator, "retry", "the till is mended")
    assert Entry.objects.filter(stream_id=run.pk, type="operator.action").exists()


def test_an_undo_begins_with_the_newest_step(owner, admin):
    run = make_run(owner, state=RunState.COMPLETED, steps=DONE)
    admin.post(act_of("undo"), {"run": token(run), "reason": ""})
    assert state_of(run) == RunState.COMPENSATING
    assert list(run.steps.values_list("state", flat=True)) == ["completed", "completed", "compensating"]


@pytest.mark.parametrize("slug", ["retry", "undo"])
def test_nothing_is_done_without_the_verbs_own_permission(owner, looking, viewer, slug):
    other = {"retry": "compensate_run", "undo": "retry_run"}[slug]
    viewer.user_permissions.add(Permission.objects.get(codename=other))
    run = failed_run(owner)
    assert looking.get(ask_of(run, slug)).status_code == 403
    assert looking.post(act_of(slug), {"run": token(run)}).status_code == 403
    assert state_of(run) == RunState.FAILED


def test_nothing_is_done_without_a_csrf_token_or_by_a_get(owner, operator):
    run = failed_run(owner)
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(operator)
    assert strict.post(act_of("retry"), {"run": token(run)}).status_code == 403
    assert strict.get(act_of("retry"), {"run": token(run)}).status_code == 405
    assert strict.post(act_of("explode"), {"run": token(run)}).status_code == 403
    assert state_of(run) == RunState.FAILED


def test_a_run_that_moved_on_since_it_was_shown_is_left_alone(owner, admin):
    run = failed_run(owner)
    shown = token(run)
    admin.post(act_of("retry"), {"run": shown, "reason": ""})
    response = admin.post(act_of("undo"), {"run": shown, "reason": ""})
    assert "moved on since you looked at it" in said(response)[-1]
    assert state_of(run) == RunState.RUNNING


def test_an_illegal_call_is_answered_with_the_engines_own_sentence(owner, admin):
    run = make_run(owner, steps=(StepState.RUNNING,))
    response = admin.post(act_of("retry"), {"run": token(run), "reason": ""})
    (message,) = said(response)
    assert "a run that is running cannot retry: it can cancel or skip" in message
    assert not AuditEntry.objects.exists()


def test_a_reason_that_is_too_long_is_asked_for_again(owner, admin):
    run = failed_run(owner)
    response = admin.post(act_of("retry"), {"run": token(run), "reason": "x" * 1_001})
    assert "at most 1000 characters; this one has 1001" in response.content.decode()
    assert state_of(run) == RunState.FAILED


def test_forged_tokens_name_no_run(owner, admin):
    run = failed_run(owner)
    for forged in ("", "nonsense", f"{run.pk}:", f"{run.pk}:x", "0198c2f0-0000-7000-8000-000000000000:1"):
        assert admin.post(act_of("retry"), {"run": forged, "reason": ""}).status_code == 302
    assert state_of(run) == RunState.FAILED


# --- many at once --------------------------------------------------------------------------------------------


def test_many_runs_are_shown_before_and_explained_after(owner, admin):
    ready, moved = failed_run(owner, title="Ready"), failed_run(owner, title=f"Moved {SCRIPT}")
    busy = make_run(owner, title="Busy", steps=(StepState.RUNNING,))
    page = choose(admin, "retry_runs", [ready, moved, busy])
    text = page.content.decode()
    assert "Retry 2 runs" in text
    assert "The state of these does not allow this now." in text
    assert SCRIPT not in text
    tokens = [choice.token for choice in page.context["ready"]]
    assert set(tokens) == {token(ready), token(moved)}

    admin.post(act_of("retry"), {"run": token(moved), "reason": "somebody was faster"})
    done = admin.post(
        act_of("retry"), {"run": tokens, "reason": "all of them", "filters": page.context["filters"]}
    )
    assert done["Location"] == f"{LIST}?workflow=test-ordering"
    assert said(done)[-2] == "Going on from what failed: “Ready”."
    assert said(done)[-1].startswith("Retry was refused. “Moved <script>")
    shown = admin.get(done["Location"]).content.decode()
    assert SCRIPT not in shown


def test_more_runs_than_the_limit_are_refused_before_anything_happens(owner, admin, settings):
    settings.LONGHAUL = {"ADMIN_BULK_MAX": 2}
    runs = [failed_run(owner) for _ in range(3)]
    response = choose(admin, "undo_runs", runs)
    assert said(response) == ["Choose at most 2 runs at a time, for instance with a filter."]
    everything = choose(admin, "undo_runs", runs[:1], select_across="1")
    assert said(everything)[-1] == "Choose at most 2 runs at a time, for instance with a filter."


def test_none_of_the_chosen_runs_can_be_acted_on(owner, admin):
    runs = [make_run(owner, title=name, steps=(StepState.RUNNING,)) for name in ("One", "Two")]
    response = choose(admin, "undo_runs", runs)
    assert response.status_code == 302
    assert "Undo was refused. 2 runs (“" in said(response)[0]


def test_a_run_that_is_erased_between_the_look_and_the_verb_is_refused_and_the_others_go_on(
    owner, admin, monkeypatch
):
    gone, stays = failed_run(owner, title="Gone"), failed_run(owner, title="Stays")
    locked = RunQuerySet.locked

    def too_late(runs: RunQuerySet, run_id: UUID) -> Run:
        Run.objects.filter(pk=gone.pk).delete()
        return locked(runs, run_id)

    monkeypatch.setattr(RunQuerySet, "locked", too_late)
    chosen = {"run": [token(gone), token(stays)], "reason": "", "filters": ""}
    response = admin.post(act_of("retry"), chosen)

    assert response["Location"] == LIST
    assert said(response) == [
        "Going on from what failed: “Stays”.",
        "Retry was refused. “Gone”: it was erased since you looked at it.",
    ]


def test_one_run_that_is_erased_between_the_look_and_the_verb_leads_to_the_list(owner, admin, monkeypatch):
    run = failed_run(owner)

    def too_late(runs: RunQuerySet, run_id: UUID) -> Run:
        raise Run.DoesNotExist

    monkeypatch.setattr(RunQuerySet, "locked", too_late)
    response = admin.post(act_of("retry"), {"run": token(run), "reason": ""})
    assert response["Location"] == LIST
    assert "it was erased since" in said(response)[0]


def test_a_run_that_is_erased_while_it_is_looked_at_is_left_out(owner, admin, monkeypatch):
    gone, stays = failed_run(owner, title="Gone"), failed_run(owner, title="Stays")
    chosen = {"run": [token(gone), token(stays)], "reason": "", "filters": ""}
    Stream.objects.filter(key=gone.pk).delete()  # as a reader sees it whose first query came before

    response = admin.post(act_of("retry"), chosen)

    assert state_of(stays) == RunState.RUNNING
    assert "“Gone”: it has moved on" in said(response)[1]
