"""The verbs over HTTP: who may, what is answered, and that a repeated request is one."""

import json
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import Permission, User
from django.urls import reverse

from tests.factories import make_run
from tests.flows import asking, fanning
from workflows import services
from workflows.models import AuditEntry, Run
from workflows.services import start
from workflows.states import RunState, StepState

pytestmark = pytest.mark.django_db(transaction=True)

DONE, FAILED = StepState.COMPLETED, StepState.FAILED


def post(client, name: str, *args, body=None, **headers):
    return client.post(
        reverse(name, args=args),
        json.dumps(body) if body is not None else None,
        content_type="application/json",
        headers=headers,
    )


def give(user: User, *names: str) -> User:
    user.user_permissions.add(*Permission.objects.filter(codename__in=names))
    return User.objects.get(pk=user.pk)


@pytest.fixture
def staff(db) -> User:
    """Sees every run, and may do nothing to it."""
    return User.objects.create_user("stefan", is_staff=True)


@pytest.fixture
def failed(owner) -> Run:
    return make_run(owner, state=RunState.FAILED, steps=(DONE, DONE, FAILED))


BODIES = {
    "run-cancel": {"compensate": False},
    "run-retry": {"from_step": "charge"},
    "run-rerun": {"input": {"name": "a chair"}},
    "run-compensate": {},
}
PERMISSIONS = {
    "run-cancel": "cancel_run",
    "run-retry": "retry_run",
    "run-rerun": "rerun_run",
    "run-compensate": "compensate_run",
}


@pytest.mark.parametrize("verb", BODIES)
def test_a_run_of_somebody_else_looks_absent_and_staff_need_the_permission(
    client, owner, stranger, staff, verb
):
    state, steps = (
        (RunState.RUNNING, (DONE,)) if verb == "run-cancel" else (RunState.FAILED, (DONE, DONE, FAILED))
    )
    run = make_run(owner, state=state, steps=steps)
    client.force_login(stranger)
    assert post(client, verb, run.pk, body=BODIES[verb]).status_code == 404
    client.force_login(staff)
    assert post(client, verb, run.pk, body=BODIES[verb]).status_code == 403
    assert not AuditEntry.objects.exists()
    client.force_login(give(staff, PERMISSIONS[verb]))
    assert post(client, verb, run.pk, body=BODIES[verb]).status_code == 202
    assert AuditEntry.objects.get().actor == staff


def test_an_owner_stops_and_answers_what_is_theirs_without_any_permission(client, owner, engine):
    run = start(asking, input={}, owner=owner, clock=engine.clock)
    engine.drive(run)
    client.force_login(owner)
    assert client.get(reverse("run", args=[run.pk])).json()["allowed_actions"] == ["cancel", "signal"]
    wrong = post(client, "run-signal", run.pk, "approval", body={"approved": "perhaps"})
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (400, "/approved")
    assert post(client, "run-signal", run.pk, "approval", body={"approved": True}).status_code == 202
    again = post(client, "run-signal", run.pk, "approval", body={"approved": True})
    assert (again.status_code, again.json()["code"]) == (409, "invalid-transition")
    answer = post(client, "run-cancel", run.pk)
    assert (answer.status_code, answer.json()["state"]) == (202, "cancelled")
    assert post(client, "run-retry", run.pk).status_code == 403


def test_a_rerun_answers_with_the_new_run(client, operator, failed):
    client.force_login(operator)
    answer = post(client, "run-rerun", failed.pk, body={"from_step": "charge"})
    assert answer.status_code == 202
    child = answer.json()
    assert child["parent_run"] == str(failed.pk)
    assert answer["Location"].endswith(f"/api/v1/runs/{child['id']}")


def test_a_skip_takes_a_reason_and_an_output_that_fits(client, operator, failed):
    client.force_login(operator)
    nameless = post(client, "step-skip", failed.pk, "charge", body={"output": "paid"})
    assert nameless.json()["errors"][0]["pointer"] == "/reason"
    wrong = post(client, "step-skip", failed.pk, "charge", body={"output": 7, "reason": "cash"})
    assert wrong.json()["errors"][0]["pointer"] == "/output"
    answer = post(client, "step-skip", failed.pk, "charge", body={"output": "paid", "reason": "cash"})
    assert answer.json()["state"] == "completed"


@pytest.mark.parametrize("body", [{"undo": True}, {"compensate": "maybe"}, [], "x"])
def test_a_body_that_does_not_fit_is_refused_with_a_pointer(client, operator, owner, body):
    run = make_run(owner, steps=(DONE,))
    client.force_login(operator)
    answer = post(client, "run-cancel", run.pk, body=body)
    assert answer.status_code == 400
    assert answer.json()["code"] == "validation-error"
    run.refresh_from_db()
    assert run.state == RunState.RUNNING


def start_body(**fields):
    return {"workflow": "test-ordering", "input": {"name": "a lamp"}, **fields}


def test_a_run_is_started_by_who_has_the_permission(client, owner):
    client.force_login(owner)
    assert post(client, "runs", body=start_body()).status_code == 403
    client.force_login(give(owner, "start_run"))
    answer = post(client, "runs", body=start_body(labels={"customer": "acme"}, title="Lamp"))
    assert answer.status_code == 202
    run = answer.json()
    assert (run["title"], run["labels"], run["state"]) == ("Lamp", {"customer": "acme"}, "pending")
    assert answer["Location"].endswith(run["id"])


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (start_body(workflow="test-nothing"), 404, "unknown-workflow"),
        (start_body(version=9), 404, "unknown-workflow"),
        (start_body(input={"undo_fails": "many"}), 400, "validation-error"),
        (start_body(colour="red"), 400, "validation-error"),
        (start_body(not_before="tomorrow"), 400, "validation-error"),
        (start_body(not_before="2026-11-22T09:00:00"), 400, "validation-error"),
        (start_body(not_before="9999-12-31T23:59:59-12:00"), 400, "validation-error"),
        (start_body(not_before="9999-12-31T23:59:59Z", workflow="test-asking"), 400, "validation-error"),
        (start_body(unique_key="x" * 300), 400, "validation-error"),
        ({"workflow": "document-analysis", "input": {}}, 400, "validation-error"),
    ],
)
def test_a_start_that_does_not_fit_starts_nothing(client, operator, body, status, code):
    client.force_login(operator)
    answer = post(client, "runs", body=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not Run.objects.exists()


def test_a_unique_key_names_the_run_that_has_it(client, operator):
    client.force_login(operator)
    first = post(client, "runs", body=start_body(unique_key="lamp-1")).json()
    refused = post(client, "runs", body=start_body(unique_key="lamp-1"))
    assert (refused.status_code, refused.json()["existing_run"]) == (409, first["id"])
    same = post(client, "runs", body=start_body(unique_key="lamp-1", on_conflict="return"))
    assert same.json()["id"] == first["id"]


def test_a_run_is_erased_by_who_has_the_permission(client, owner, operator, failed, redis_client):
    client.force_login(owner)
    assert client.delete(reverse("run", args=[failed.pk])).status_code == 403
    client.force_login(operator)
    assert client.delete(reverse("run", args=[failed.pk])).status_code == 204
    assert client.get(reverse("run", args=[failed.pk])).status_code == 404


def test_a_run_that_is_erased_under_a_verb_is_absent(client, operator, failed, monkeypatch):
    retry = services.retry

    def erased_first(run_id: UUID, **options: Any) -> Run:
        failed.delete()
        return retry(run_id, **options)

    monkeypatch.setattr(services, "retry", erased_first)
    client.force_login(operator)
    answer = post(client, "run-retry", failed.pk)
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


def test_parts_and_attempts_can_be_read(client, owner, operator, engine):
    run = start(fanning, input={"parts": [1, 2, 3]}, owner=owner, clock=engine.clock)
    engine.finish(run)
    client.force_login(owner)
    plan = client.get(reverse("run-steps", args=[run.pk])).json()["steps"]
    assert [(step["name"], step["kind"]) for step in plan] == [
        ("pack", "step"),
        ("weigh", "fan_out"),
        ("total", "step"),
    ]
    assert plan[1]["progress"] == {"done": 3, "total": 3, "unit": "parts", "failed": []}
    page = client.get(reverse("run-steps", args=[run.pk]), {"parent": "weigh", "limit": 2}).json()
    assert ([step["name"] for step in page["steps"]], page["next"]) == (["weigh[0]", "weigh[1]"], 1)
    rest = client.get(reverse("run-steps", args=[run.pk]), {"parent": "weigh", "limit": 2, "after": 1}).json()
    assert ([step["name"] for step in rest["steps"]], rest["next"]) == (["weigh[2]"], None)
    (attempt,) = client.get(reverse("step-attempts", args=[run.pk, "weigh[0]"])).json()["attempts"]
    assert (attempt["kind"], attempt["state"]) == ("forward", "completed")
    assert "worker" not in attempt


def test_the_definitions_are_there_to_read(client, owner):
    client.force_login(owner)
    names = [row["name"] for row in client.get(reverse("workflows")).json()["workflows"]]
    assert {"document-analysis", "test-asking"} <= set(names)
    body = client.get(reverse("workflow", args=["test-asking"])).json()
    assert [step["kind"] for step in body["steps"]] == ["step", "wait", "step", "wait", "step"]
    assert "approved" in body["schemas"]["approval"]["answer"]["properties"]
    assert body["input_schema"]["title"] == "Parcel"
    assert client.get(reverse("workflow", args=["nothing"])).status_code == 404


@pytest.mark.parametrize(
    ("version", "status"),
    [
        ("1", 200),
        ("2", 404),
        ("abc", 400),
        ("-1", 400),
        ("0", 404),
        ("", 400),
        ("²", 400),
        ("9" * 5_000, 400),
    ],
)
def test_a_version_that_is_none_is_not_taken_for_the_newest(client, owner, version, status):
    client.force_login(owner)
    answer = client.get(reverse("workflow", args=["test-asking"]), {"version": version})
    assert answer.status_code == status


@pytest.mark.parametrize(
    "path", ["/api/v1/runs/not-an-id", "/api/v1/nothing", f"/api/v1/runs/{UUID(int=7)}/explode"]
)
def test_an_address_that_does_not_exist_answers_a_program(client, operator, path):
    client.force_login(operator)
    answer = client.get(path)
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")


def test_the_result_of_an_undone_run_is_gone_and_says_so(client, owner):
    run = make_run(owner, state=RunState.COMPENSATED, steps=(StepState.COMPENSATED,))
    client.force_login(owner)
    answer = client.get(reverse("run-result", args=[run.pk]))
    assert (answer.status_code, answer.json()["code"]) == (410, "result-lost")


def test_who_lacks_a_permission_is_told_which(client, owner):
    client.force_login(owner)
    body = json.dumps({"workflow": "test-asking", "input": {}})
    answer = client.post(reverse("runs"), body, content_type="application/json")
    assert answer.status_code == 403
    assert "workflows.start_run" in answer.json()["detail"]
