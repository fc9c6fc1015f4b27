"""The forms on a run's page: who may see and use them, and what comes of it. All without JavaScript."""

import re
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from pydantic import BaseModel

from tests.flows import asking, fanning, ordering, undoing
from workflows import services
from workflows.definitions import Workflow, wait_for
from workflows.models import Run
from workflows.services import cancel, compensate, erase, skip
from workflows.states import RunState

pytestmark = pytest.mark.django_db(transaction=True)


class Nothing(BaseModel):
    pass


class Choice(BaseModel):
    colours: list[Any]
    count: int


choosing = Workflow(
    "test-choosing",
    version=1,
    input=Nothing,
    title="A choice",
    steps=[wait_for("choice", schema=Choice, timeout=3_600)],
)

YES = {"answer-approval-approved": "true", "answer-approval-comment": "by phone"}


@pytest.fixture
def staff(db: None) -> User:
    """Sees every run and may do nothing to it."""
    return User.objects.create_user("stan", password="stan-password", is_staff=True)


def begin(engine: Any, owner: User, workflow: Any = asking, **input: Any) -> Run:
    return engine.drive(engine.start(workflow, owner=owner, input=input))


def page(client: Client, run: Run) -> str:
    answer = client.get(reverse("run-page", args=[run.pk]))
    assert answer.status_code == 200
    return str(answer.content, "utf-8")


def shown(html: str, opening: str) -> bool:
    """Whether the element whose tag begins like this is on the page and not hidden."""
    tag = re.search(rf"<{opening}[^>]*>", html)
    return tag is not None and " hidden" not in tag[0]


ASKS, STOPS = 'section class="sheet ask"', 'details class="stop"'


def answer(client: Client, run: Run, data: dict[str, str], name: str = "approval") -> Any:
    return client.post(reverse("run-answer", args=[run.pk, name]), data)


def stop(client: Client, run: Run, **data: str) -> Any:
    return client.post(reverse("run-stop", args=[run.pk]), data)


def state(run: Run) -> str:
    return Run.objects.get(pk=run.pk).state


def test_the_owner_of_a_waiting_run_is_asked_and_answers(client, owner, engine):
    client.force_login(owner)
    run = begin(engine, owner)
    html = page(client, run)
    assert shown(html, ASKS)
    assert re.search(r'<input type="radio" name="answer-approval-approved" value="true"[^>]* required', html)
    assert '<textarea name="answer-approval-comment"' in html

    told = answer(client, run, YES)

    assert (told.status_code, told["Location"]) == (302, reverse("run-page", args=[run.pk]))
    assert run.steps.get(name="approval").output == {"approved": True, "comment": "by phone"}
    assert not shown(page(client, run), ASKS)


def test_an_answer_with_a_fault_is_shown_again_beside_what_was_written(client, owner, engine):
    client.force_login(owner)
    run = begin(engine, owner)

    told = answer(client, run, {"answer-approval-comment": "<b>who knows</b>"})

    html = str(told.content, "utf-8")
    assert told.status_code == 400
    assert "This field is required." in html
    assert "&lt;b&gt;who knows&lt;/b&gt;" in html
    assert shown(html, ASKS)
    assert state(run) == RunState.WAITING


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("[" * 100_000, "1"),
        ("9" * 5_000, "1"),
        ("[NaN]", "1"),
        ("[" * 900 + "]" * 900, "1"),
        ("[" * 900 + "]" * 900, "many"),
        ('["\\ud800"]', "many"),
    ],
)
def test_no_json_breaks_the_page(client, owner, engine, text, count):
    client.force_login(owner)
    run = begin(engine, owner, choosing)

    typed = {"answer-choice-colours": text, "answer-choice-count": count}
    told = answer(client, run, typed, name="choice")

    assert told.status_code == 400
    assert text.replace('"', "&quot;") in str(told.content, "utf-8")
    assert state(run) == RunState.WAITING


def test_an_answer_that_comes_too_late_changes_nothing_and_says_so(client, owner, engine):
    client.force_login(owner)
    run = begin(engine, owner)
    answer(client, run, YES)

    told = answer(client, run, {"answer-approval-approved": "false"})

    assert told.status_code == 409
    assert "That came too late" in str(told.content, "utf-8")
    assert run.steps.get(name="approval").output["approved"] is True


def test_a_wait_without_a_schema_takes_a_button(client, owner, engine):
    client.force_login(owner)
    run = begin(engine, owner)
    answer(client, run, YES)
    engine.drive(run)
    assert "Go on now" in page(client, run)
    assert answer(client, run, {}, name="pause").status_code == 302
    assert run.steps.get(name="pause").state == "completed"


def test_there_is_no_answer_to_what_the_plan_does_not_ask(client, owner, engine):
    client.force_login(owner)
    assert answer(client, begin(engine, owner), {}, name="label").status_code == 404


def test_the_owner_stops_a_run_and_is_back_on_its_page(client, owner, engine):
    client.force_login(owner)
    run = begin(engine, owner)
    assert shown(page(client, run), STOPS)

    told = stop(client, run)

    assert (told.status_code, told["Location"]) == (302, reverse("run-page", args=[run.pk]))
    assert state(run) == RunState.CANCELLED
    html = page(client, run)
    assert "Stopped" in html
    assert not shown(html, STOPS)
    assert stop(client, run).status_code == 302, "to stop what is stopped is no fault"


@pytest.mark.parametrize(("ticked", "ends"), [(True, "compensating"), (False, "cancelled")])
def test_stopping_undoes_what_was_done_if_that_is_ticked(client, owner, engine, *, ticked, ends):
    client.force_login(owner)
    run = engine.start(ordering, owner=owner)
    engine.work(run.steps.get(name="reserve"))
    assert 'name="undo">' in page(client, run)
    stop(client, run, may_undo="yes", **({"undo": "on"} if ticked else {}))
    assert state(run) == ends


def test_the_box_to_undo_is_ticked_where_the_workflow_undoes_by_itself(client, owner, engine):
    client.force_login(owner)
    run = engine.start(undoing, owner=owner)
    engine.work(run.steps.get(name="reserve"))
    assert 'name="undo" checked>' in page(client, run)


def test_a_run_that_ended_cannot_be_stopped(client, owner, engine):
    client.force_login(owner)
    run = engine.finish(engine.start(ordering, owner=owner))
    assert not shown(page(client, run), STOPS)
    told = stop(client, run)
    assert told.status_code == 409
    assert "the run has moved on" in str(told.content, "utf-8")


def test_staff_see_the_forms_and_may_use_them_by_permission_alone(client, owner, staff, engine):
    client.force_login(staff)
    run = begin(engine, owner)
    html = page(client, run)
    assert STOPS not in html
    assert ASKS not in html
    assert stop(client, run).status_code == answer(client, run, YES).status_code == 403
    assert state(run) == RunState.WAITING

    staff.user_permissions.add(*Permission.objects.filter(codename__in=["cancel_run", "signal_run"]))
    html = page(client, run)
    assert shown(html, ASKS)
    assert shown(html, STOPS)
    assert answer(client, run, YES).status_code == 302
    assert stop(client, run).status_code == 302


def test_to_a_stranger_the_run_is_absent(client, owner, stranger, engine):
    run = begin(engine, owner)
    client.force_login(stranger)
    assert stop(client, run).status_code == answer(client, run, YES).status_code == 404
    assert state(run) == RunState.WAITING


def test_a_post_from_elsewhere_is_refused(owner, engine):
    run = begin(engine, owner)
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)
    assert stop(client, run).status_code == answer(client, run, YES).status_code == 403
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page(client, run))
    assert token is not None
    assert answer(client, run, {**YES, "csrfmiddlewaretoken": token[1]}).status_code == 302


def test_who_signed_in_on_the_way_comes_back_to_the_page(client, owner, engine):
    run = begin(engine, owner)
    asked = stop(client, run)
    assert asked["Location"] == f"{reverse('login')}?next={reverse('run-stop', args=[run.pk])}"
    client.force_login(owner)
    for address in (reverse("run-stop", args=[run.pk]), reverse("run-answer", args=[run.pk, "approval"])):
        assert client.get(address)["Location"] == reverse("run-page", args=[run.pk])
    assert state(run) == RunState.WAITING


def test_a_fan_out_is_one_row_with_a_count(client, owner, engine):
    client.force_login(owner)
    run = engine.finish(engine.start(fanning, owner=owner, input={"parts": [1, 2, 3], "fails": ["weigh[1]"]}))
    html = page(client, run)
    assert html.count('<li class="step"') == 3
    assert "of 3 parts · failed: weigh[1]" in html


def test_a_skipped_step_says_why(client, owner, operator, engine):
    client.force_login(owner)
    run = begin(engine, owner)
    skip(
        run.pk,
        by=operator,
        step="approval",
        output={"approved": True},
        reason="<told> by phone",
        clock=engine.clock,
    )
    assert "skipped: &lt;told&gt; by phone" in page(client, run)


def test_a_run_that_was_undone_offers_no_result(client, owner, operator, engine):
    client.force_login(owner)
    run = engine.finish(engine.start(ordering, owner=owner))
    link = f'href="/api/v1/runs/{run.pk}/result"'
    assert link in page(client, run)
    compensate(run.pk, by=operator, clock=engine.clock)
    engine.finish(run)
    html = page(client, run)
    assert link not in html
    assert "This run was undone: the marked steps took back what they had done, and its result" in html


def test_an_erased_run_is_absent(client, owner, operator, engine, redis_client):
    client.force_login(owner)
    run = begin(engine, owner)
    cancel(run.pk, by=operator, clock=engine.clock)
    erase(run.pk, by=operator, clock=engine.clock)
    assert client.get(reverse("run-page", args=[run.pk])).status_code == 404
    assert stop(client, run).status_code == answer(client, run, YES).status_code == 404


@pytest.mark.parametrize("verb", ["cancel", "signal"])
def test_a_run_that_is_erased_between_the_look_and_the_verb_is_absent(
    client, owner, engine, monkeypatch, verb
):
    client.force_login(owner)
    run = begin(engine, owner)
    act = getattr(services, verb)

    def too_late(run_id: UUID, **options: Any) -> Run:
        Run.objects.filter(pk=run_id).delete()
        return act(run_id, **options)

    monkeypatch.setattr(services, verb, too_late)
    told = stop(client, run) if verb == "cancel" else answer(client, run, YES)
    assert told.status_code == 404
