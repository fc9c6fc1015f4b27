"""Cancel, answer, skip, run again and erase in the admin: asked for, confirmed, done, refused in place."""

import json

import pytest

from tests.factories import make_run
from tests.flows import asking, fanning
from tests.integration.workflows.admin.scenes import FAILED, LIST, ask_of, page_of
from tests.integration.workflows.admin.test_verbs import act_of, choose, said, state_of, token
from workflows.models import AuditEntry, Run
from workflows.services import start
from workflows.states import RunState, StepState

pytestmark = pytest.mark.django_db(transaction=True)


def act(client, slug: str, run: Run, **fields):
    return client.post(act_of(slug), {"run": token(run), "reason": "", **fields})


def waiting(owner, engine) -> Run:
    run = start(asking, input={}, owner=owner, clock=engine.clock)
    engine.drive(run)
    return run


@pytest.mark.parametrize(
    ("choice", "state"), [("", "cancelled"), ("keep", "cancelled"), ("undo", "compensating")]
)
def test_a_run_is_cancelled_as_was_chosen(owner, admin, engine, choice, state):
    run = waiting(owner, engine)
    text = admin.get(ask_of(run, "cancel")).content.decode()
    assert "Will never begin: Waiting for approval" in text
    act(admin, "cancel", run, undo=choice)
    assert state_of(run) == state


def test_many_runs_are_cancelled_at_once(owner, admin):
    runs = [make_run(owner, steps=(StepState.READY,)) for _ in range(2)]
    response = choose(admin, "cancel_runs", runs)
    assert "Cancel 2 runs" in response.content.decode()
    admin.post(
        act_of("cancel"), {"run": [token(run) for run in runs], "reason": "", "undo": "", "filters": ""}
    )
    assert {state_of(run) for run in runs} == {"cancelled"}


def test_a_waiting_step_is_answered_and_an_answer_that_does_not_fit_is_asked_for_again(owner, admin, engine):
    run = waiting(owner, engine)
    wrong = act(admin, "answer", run, name="approval", payload=json.dumps({"approved": "perhaps"}))
    assert "this does not fit approval" in wrong.content.decode()
    assert state_of(run) == RunState.WAITING
    response = act(admin, "answer", run, name="approval", payload=json.dumps({"approved": True}))
    assert response["Location"] == page_of(run)
    assert state_of(run) == RunState.RUNNING


@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 5_000, '["\\ud800"]', "[NaN]"])
def test_no_json_breaks_the_forms(owner, admin, engine, text):
    asked, failed = waiting(owner, engine), make_run(owner, state=RunState.FAILED, steps=FAILED)
    told = [
        act(admin, "answer", asked, name="approval", payload=text),
        act(admin, "skip", failed, step="charge", output=text),
    ]
    for response in told:
        assert response.status_code == 200
        assert text.replace('"', "&quot;") in response.content.decode()
    assert (state_of(asked), state_of(failed)) == (RunState.WAITING, RunState.FAILED)


def test_a_failed_step_is_skipped_with_a_reason(owner, admin):
    run = make_run(owner, state=RunState.FAILED, steps=FAILED)
    nameless = act(admin, "skip", run, step="charge", output='"paid"')
    assert "This field is required" in nameless.content.decode()
    act(admin, "skip", run, step="charge", output='"paid"', reason="cash")
    assert state_of(run) == RunState.COMPLETED


def test_a_failed_part_of_a_fan_out_is_shown_and_can_be_skipped(owner, admin, engine):
    run = start(fanning, input={"parts": [1, 2, 3], "fails": ["weigh[1]"]}, owner=owner, clock=engine.clock)
    engine.finish(run)
    page = admin.get(page_of(run)).content.decode()
    assert "weigh[1]" in page
    assert "1 of 3 parts" in page  # the third was put back when the second failed
    assert "weigh[1]" in admin.get(ask_of(run, "skip")).content.decode()
    act(admin, "skip", run, step="weigh[1]", output="7", reason="by hand")
    assert state_of(run) == RunState.RUNNING


def test_a_part_that_backs_off_is_offered_to_be_skipped(owner, admin, engine):
    stuck = {"parts": [1, 2], "fails": ["weigh[1]"], "error": "retryable"}
    run = start(fanning, input=stuck, owner=owner, clock=engine.clock)
    engine.drive(run)
    page = admin.get(ask_of(run, "skip")).content.decode()
    assert "weigh[1]" in page
    assert "weigh[0]" not in page, "it is done"
    act(admin, "skip", run, step="weigh[1]", output="7", reason="by hand")
    assert run.steps.get(name="weigh").state == StepState.COMPLETED


def test_running_again_leads_to_the_new_run_and_both_name_each_other(owner, admin):
    run = make_run(owner, state=RunState.FAILED, steps=FAILED)
    response = act(admin, "rerun", run, from_step="charge")
    child = Run.objects.get(parent=run)
    assert response["Location"] == page_of(child)
    assert page_of(run) in admin.get(page_of(child)).content.decode()
    assert page_of(child) in admin.get(page_of(run)).content.decode()


def test_a_retry_may_begin_at_an_earlier_step(owner, admin):
    run = make_run(owner, state=RunState.FAILED, steps=FAILED)
    act(admin, "retry", run, from_step="list_parts")
    assert run.steps.get(name="list_parts").state == StepState.READY


def test_erasing_takes_the_reference_and_leaves_who_did_it(owner, admin, operator, redis_client):
    run = make_run(owner, state=RunState.FAILED, steps=FAILED)
    wrong = act(admin, "erase", run, reference="12345678")
    assert "not the run" in wrong.content.decode()
    response = act(admin, "erase", run, reference=str(run.pk)[-8:])
    assert response["Location"] == LIST
    assert said(response) == ["Erased: “Order of a lamp”."]
    assert not Run.objects.exists()
    assert AuditEntry.objects.get().action == "erase"
    assert "erased" in admin.get("/admin/workflows/auditentry/").content.decode()


def test_who_may_only_look_is_offered_nothing(owner, looking):
    run = make_run(owner, steps=(StepState.RUNNING,))
    assert "lh-verb-" not in looking.get(page_of(run)).content.decode()
    for slug in ("cancel", "answer", "skip", "rerun", "erase"):
        assert looking.get(ask_of(run, slug)).status_code == 403


def test_a_waiting_run_says_what_it_waits_for_and_how_long(owner, admin, engine):
    run = waiting(owner, engine)
    page = admin.get(page_of(run)).content.decode()
    assert "Waiting for approval" in page
    assert "Deadline" in page
