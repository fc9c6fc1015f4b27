import base64
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from outbox.append import append
from outbox.models import Stream
from tests.factories import NOW, make_run, messages
from workflows.models import AuditEntry, Item, Run
from workflows.states import RunState, StepState

pytestmark = pytest.mark.django_db(transaction=True)

DONE, FAILED = StepState.COMPLETED, StepState.FAILED

READS = ["run", "run-events", "run-items", "run-result", "run-page"]
VERBS = ["run-retry", "run-compensate"]


def url(name: str, run: Run) -> str:
    return reverse(name, args=[run.id])


@pytest.fixture
def run(owner) -> Run:
    run = make_run(owner, state=RunState.FAILED, steps=(DONE, DONE, FAILED))
    with transaction.atomic():
        append(run.id, messages(3), now=NOW)
    return run


def test_the_snapshot_has_the_shape_that_clients_rely_on(client, owner, run):
    client.force_login(owner)
    body = client.get(url("run", run)).json()
    assert set(body) == {
        "id", "workflow", "version", "title", "state", "state_info", "is_terminal", "allowed_actions", "epoch", "seq",
        "progress", "current_steps", "steps", "error", "labels", "usage", "created_at", "started_at", "finished_at",
        "links", "parent_run",
    }  # fmt: skip
    assert set(body["steps"][0]) == {
        "name", "title", "position", "stage", "branch", "state", "state_info", "attempt", "max_attempts", "progress",
        "items_count", "kind", "due_at", "started_at", "finished_at", "error", "usage",
    }  # fmt: skip
    assert (body["state"], body["is_terminal"], body["seq"]) == ("failed", True, 3)
    assert body["state_info"] == "The shop is closed."
    assert body["allowed_actions"] == [], "it is its owner's, and each verb here takes a permission"
    assert body["progress"] == {"done": 2, "total": 3, "unit": "steps"}
    assert body["error"] == {"code": "closed", "detail": "The shop is closed.", "retryable": True}
    assert body["created_at"] == "2026-11-22T09:31:04.512Z"
    assert body["links"]["self"] == f"http://testserver/api/v1/runs/{run.id}"


@pytest.mark.parametrize("name", READS)
def test_an_owner_and_staff_may_read_a_run(client, owner, operator, run, name):
    for user in (owner, operator):
        client.force_login(user)
        assert client.get(url(name, run)).status_code in (200, 409)


@pytest.mark.parametrize("name", READS)
def test_a_foreign_run_looks_exactly_like_an_absent_one(client, stranger, run, name):
    client.force_login(stranger)
    foreign = client.get(url(name, run))
    absent = client.get(reverse(name, args=[uuid4()]))
    assert foreign.status_code == absent.status_code == 404

    def without_ids(answer):
        if "json" not in answer["content-type"]:
            return None
        return {key: value for key, value in answer.json().items() if key not in ("request_id", "instance")}

    assert without_ids(foreign) == without_ids(absent)


@pytest.mark.parametrize("name", [name for name in READS if name != "run-page"])
def test_without_signing_in_the_api_answers_401_and_says_how(client, run, name):
    answer = client.get(url(name, run))
    assert answer.status_code == 401
    assert answer["content-type"] == "application/problem+json"
    assert answer["www-authenticate"].startswith("Basic")


@pytest.mark.parametrize("name", ["run", "run-events"])
def test_basic_authentication_opens_the_api(client, owner, run, name):
    def header(password: str) -> str:
        return "Basic " + base64.b64encode(f"anna:{password}".encode()).decode()

    assert client.get(url(name, run), headers={"Authorization": header("anna-password")}).status_code == 200
    assert client.get(url(name, run), headers={"Authorization": header("wrong")}).status_code == 401


@pytest.mark.parametrize("name", VERBS)
def test_a_verb_takes_its_own_permission_also_of_the_owner(client, owner, run, name):
    client.force_login(owner)
    answer = client.post(url(name, run))
    assert answer.status_code == 403
    assert answer.json()["code"] == "permission-denied"
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("name", VERBS)
def test_a_verb_on_a_foreign_run_is_as_absent_as_the_run(client, stranger, run, name):
    client.force_login(stranger)
    assert client.post(url(name, run)).status_code == 404


def test_an_operator_retries_with_a_reason(client, operator, run):
    client.force_login(operator)
    answer = client.post(url("run-retry", run), {"reason": "mended"}, content_type="application/json")
    assert answer.status_code == 202
    assert answer.json()["state"] == "running"
    assert AuditEntry.objects.get().reason == "mended"


def test_a_reason_too_long_for_the_log_is_refused_with_its_limit(client, operator, run):
    client.force_login(operator)
    answer = client.post(url("run-retry", run), {"reason": "x" * 2_000}, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "/reason"
    assert Run.objects.get().state == "failed"


def test_a_verb_that_does_not_fit_is_a_conflict_that_tells_what_would(client, owner, operator):
    run = make_run(owner, state=RunState.COMPLETED, steps=(DONE, DONE, DONE))
    client.force_login(operator)
    answer = client.post(url("run-retry", run))
    assert answer.status_code == 409
    body = answer.json()
    assert (body["code"], body["current_state"], body["allowed_actions"]) == (
        "invalid-transition",
        "completed",
        ["rerun", "compensate", "erase"],
    )


def test_the_list_pages_by_an_opaque_cursor_without_doubles(client, owner):
    runs = {str(make_run(owner).id) for _ in range(7)}
    client.force_login(owner)
    seen: list[str] = []
    address = reverse("runs") + "?limit=3"
    while True:
        body = client.get(address).json()
        seen += [row["id"] for row in body["runs"]]
        if body["next"] is None:
            break
        address = reverse("runs") + f"?limit=3&cursor={body['next']}"
    assert len(seen) == 7
    assert set(seen) == runs


def test_the_list_costs_the_same_queries_however_many_runs_it_shows(client, owner):
    client.force_login(owner)
    make_run(owner)
    with CaptureQueriesContext(connection) as one:
        client.get(reverse("runs"))
    for _ in range(10):
        make_run(owner)
    with CaptureQueriesContext(connection) as eleven:
        client.get(reverse("runs"))
    assert len(eleven) == len(one) < 12


def test_the_database_sums_up_what_the_attempts_of_a_run_used(client, owner, run):
    other = make_run(owner)
    first, second, _ = run.steps.order_by("position")
    first.attempts.update(usage={"tokens_in": 2**40, "tokens_out": 3})
    second.attempts.update(usage={"tokens_in": 7})
    first.attempts.create(
        kind="undo",
        number=1,
        state="failed",
        started_at=NOW,
        finished_at=NOW,
        usage={"tokens_in": 1, "tokens_out": 2},
    )
    client.force_login(owner)
    with CaptureQueriesContext(connection) as queries:
        snapshot = client.get(url("run", run)).json()
        rows = {row["id"]: row for row in client.get(reverse("runs")).json()["runs"]}
    used = {"tokens_in": 2**40 + 8, "tokens_out": 5, "cost": None, "currency": "USD"}
    assert snapshot["usage"] == rows[str(run.pk)]["usage"] == used
    assert rows[str(other.pk)]["usage"] == {**used, "tokens_in": 0, "tokens_out": 0}
    asked = [query["sql"] for query in queries if 'FROM "workflows_attempt"' in query["sql"]]
    assert sum("SUM(" in sql for sql in asked) == 2, "one row a step comes back, or a run, not one an attempt"
    assert sum('."attempt_count"' in sql for sql in asked) == len(asked) - 2 == 1, "the latest of each step"


QUERIES = [
    "limit=0",
    "limit=x",
    "limit=9999",
    "limit=²",
    "limit=" + "9" * 5_000,
    "state=dancing",
    "workflow=%00",
    "cursor=%00",
    "cursor=abc",
    "cursor=" + base64.urlsafe_b64encode(f"0001-01-01T00:00:00+23:59|{UUID(int=1)}".encode()).decode(),
    "cursor=" + base64.urlsafe_b64encode(f"2026-01-01T00:00:00|{UUID(int=1)}".encode()).decode(),
]


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_that_makes_no_sense_is_refused_with_a_sentence(client, owner, query):
    client.force_login(owner)
    answer = client.get(f"{reverse('runs')}?{query}")
    assert answer.status_code == 400
    assert answer.json()["code"] == "validation-error"


@pytest.fixture
def run_with_items(run) -> Run:
    """Five items, announced by the events 10 … 14 of 20."""
    Stream.objects.filter(key=run.id).update(head=20, published=20)
    for index in range(5):
        Item.objects.create(
            run=run, step=run.steps.get(position=1), attempt=1, index=index, key=str(index), type="Note",
            data={"n": index}, seq=10 + index, created_at=NOW,
        )  # fmt: skip
    return run


def test_items_are_paged_by_the_seq_of_their_event(client, owner, run_with_items):
    client.force_login(owner)
    page = client.get(url("run-items", run_with_items) + "?limit=2&after=10").json()
    assert [item["index"] for item in page["items"]] == [1, 2]
    assert page["next"] == 12
    assert page["items"][0]["value"] == {"n": 1}


def test_items_of_a_restored_log_are_paged_by_cursors_that_name_its_epoch(client, owner, run_with_items):
    Stream.objects.filter(key=run_with_items.id).update(epoch=1_763_800_000)
    client.force_login(owner)
    address = url("run-items", run_with_items) + "?limit=3&after="

    page = client.get(f"{address}0").json()
    rest = client.get(f"{address}{page['next']}").json()

    assert page["next"] == "1763800000.12"
    assert [item["index"] for item in rest["items"]] == [3, 4]
    assert client.get(f"{address}{12}").json()["code"] == "cursor-expired"


def test_items_after_a_point_that_the_log_has_not_reached_are_refused_and_the_relay_looks(
    client, owner, run_with_items
):
    client.force_login(owner)
    answer = client.get(url("run-items", run_with_items) + "?after=21")

    assert (answer.status_code, answer["Content-Type"]) == (410, "application/problem+json")
    assert answer.json()["snapshot"] == url("run", run_with_items)
    stream = Stream.objects.get(key=run_with_items.id)
    assert (stream.dirty, stream.epoch) == (True, 1)


def test_items_outlive_the_events_that_announced_them(client, owner, run_with_items):
    Stream.objects.filter(key=run_with_items.id).update(pruned=15)
    client.force_login(owner)
    page = client.get(url("run-items", run_with_items) + "?after=10").json()
    assert [item["index"] for item in page["items"]] == [1, 2, 3, 4]


@pytest.mark.parametrize("query", ["after=x", "after=²", "after=" + "9" * 5_000, "step=%00"])
def test_a_query_of_items_that_makes_no_sense_is_refused_with_a_sentence(client, owner, run, query):
    client.force_login(owner)
    assert client.get(f"{url('run-items', run)}?{query}").status_code == 400


def test_a_result_is_there_once_the_run_has_completed(client, owner):
    client.force_login(owner)
    running = make_run(owner, steps=(StepState.RUNNING,))
    answer = client.get(url("run-result", running))
    assert (answer.status_code, answer.json()["code"]) == (409, "run-not-finished")
    assert "Retry-After" in answer
    done = make_run(owner, state=RunState.COMPLETED, steps=(DONE, DONE, DONE))
    assert client.get(url("run-result", done)).json()["result"] == {"text": "a lamp reserved"}


def test_a_list_shows_nobody_elses_runs(client, owner, stranger, operator, run):
    for user, count in ((owner, 1), (stranger, 0), (operator, 1)):
        client.force_login(user)
        assert len(client.get(reverse("runs")).json()["runs"]) == count


def test_an_account_that_was_closed_sees_nothing(client, owner, run):
    client.force_login(owner)
    owner.is_active = False
    owner.save()
    assert client.get(url("run", run)).status_code == 401
