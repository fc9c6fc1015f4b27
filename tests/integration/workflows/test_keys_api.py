"""Idempotency keys over HTTP: a repeated write is one, whatever it is and whatever its run came to meanwhile."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
import redis
from django.urls import reverse

from tests.factories import make_run
from tests.flows import Order
from tests.integration.workflows.test_verbs_api import post, start_body
from workflows.definitions import Step, Workflow, registry, step
from workflows.models import AuditEntry, Run
from workflows.states import RunState, StepState

pytestmark = pytest.mark.django_db(transaction=True)

DONE, FAILED = StepState.COMPLETED, StepState.FAILED


@pytest.fixture
def failed(owner) -> Run:
    return make_run(owner, state=RunState.FAILED, steps=(DONE, DONE, FAILED))


def test_the_same_request_is_answered_with_the_same_run_and_says_so(client, operator):
    client.force_login(operator)
    first = post(client, "runs", body=start_body(), **{"Idempotency-Key": '"k-1"'})
    again = post(client, "runs", body=start_body(), **{"Idempotency-Key": "k-1"})
    assert again.json()["id"] == first.json()["id"]
    assert ("Idempotency-Replayed" in first, again["Idempotency-Replayed"]) == (False, "true")
    other = post(client, "runs", body=start_body(title="Other"), **{"Idempotency-Key": "k-1"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    assert Run.objects.count() == 1


def test_a_verb_under_a_key_is_done_once(client, operator, failed):
    client.force_login(operator)
    for replayed in (False, True):
        answer = post(client, "run-rerun", failed.pk, body={}, **{"Idempotency-Key": "k-1"})
        assert ("Idempotency-Replayed" in answer) == replayed
    assert failed.children.count() == 1


def test_a_key_counts_also_for_a_run_that_is_being_cancelled_already(client, owner):
    run = make_run(owner, steps=(DONE, StepState.RUNNING))
    client.force_login(owner)
    assert post(client, "run-cancel", run.pk, body={}).json()["state"] == "cancelling"
    for replayed in (False, True):
        answer = post(client, "run-cancel", run.pk, body={"reason": "again"}, **{"Idempotency-Key": "k-1"})
        assert (answer.status_code, "Idempotency-Replayed" in answer) == (202, replayed)
    other = post(client, "run-cancel", run.pk, body={"reason": "why"}, **{"Idempotency-Key": "k-1"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    assert AuditEntry.objects.count() == 1


def _named(name: str) -> Step:
    def handler(ctx: Any) -> None:
        pass

    handler.__name__ = name
    return step(title=name)(handler)


@pytest.fixture
def long_names() -> Iterator[list[str]]:
    """Names of two steps, equal for as far as a column of keys once reached."""
    names = [f"{'compare_the_terms_with_those_of_' * 2}{ending}" for ending in ("buyer", "seller")]
    workflow = Workflow(
        "test-long-names", version=1, input=Order, title="Long", steps=[_named(name) for name in names]
    )
    yield names
    registry.forget(workflow)


def test_one_key_for_two_steps_with_long_names_is_two_requests(client, operator, long_names):
    run = make_run(
        operator, workflow=registry.find("test-long-names"), state=RunState.FAILED, steps=(FAILED, FAILED)
    )
    client.force_login(operator)
    body = {"output": None, "reason": "done by hand"}
    for name in long_names:
        answer = post(client, "step-skip", run.pk, name, body=body, **{"Idempotency-Key": "k-1"})
        assert (answer.status_code, "Idempotency-Replayed" in answer) == (202, False)
    assert AuditEntry.objects.filter(action="skip").count() == 2


@pytest.mark.parametrize(("name", "part"), [("step-skip", "\x00"), ("run-signal", "\x00")])
def test_a_name_that_no_database_holds_names_nothing(client, operator, failed, name, part):
    client.force_login(operator)
    body = {"reason": "why"} if name == "step-skip" else None
    answer = post(client, name, failed.pk, part, body=body, **{"Idempotency-Key": "k-1"})
    assert (answer.status_code, answer.json()["code"]) == (400, "validation-error")
    assert client.get(reverse("step-attempts", args=[failed.pk, part])).status_code == 400


def test_an_erase_that_redis_is_missing_for_is_asked_again(
    client, operator, failed, redis_client, monkeypatch
):
    client.force_login(operator)
    with monkeypatch.context() as patch:
        patch.setattr("outbox.forgetting.forget_published", _redis_is_away)
        answer = client.delete(reverse("run", args=[failed.pk]))
    assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
    assert int(answer["Retry-After"]) > 0
    assert client.delete(reverse("run", args=[failed.pk])).status_code == 204


def _redis_is_away(key: UUID) -> None:
    raise redis.ConnectionError("away")


def erase(client, run, reason="", key="k-1"):
    return client.delete(
        reverse("run", args=[run.pk]),
        json.dumps({"reason": reason}),
        content_type="application/json",
        headers={"Idempotency-Key": key},
    )


def test_the_key_of_an_erase_counts_until_nothing_is_left_to_remember_it(
    client, operator, failed, redis_client, monkeypatch
):
    client.force_login(operator)
    assert erase(client, failed, key="").json()["errors"][0]["code"] == "bad_key"
    with monkeypatch.context() as patch:
        patch.setattr("workflows.services.erasing.remove_files", _fail)
        with pytest.raises(OSError, match="the disk is away"):
            erase(client, failed)
    other = erase(client, failed, reason="another one")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    assert erase(client, failed).status_code == 204, "the same request goes on where it was cut short"
    assert erase(client, failed).status_code == 404, "its key went with the run"


def _fail(run: Run) -> None:
    raise OSError("the disk is away")
