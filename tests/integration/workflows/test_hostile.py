"""Whatever a caller sends: a problem document that says what is wrong with it, never an error of the server."""

import base64
import json
from collections.abc import Callable

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from outbox.models import Entry
from tests.factories import make_run
from tests.flows import asking
from tests.integration.workflows.hostile import HALF, ORDER, OWN, bodies
from workflows.models import AuditEntry, Run
from workflows.services import start
from workflows.states import RunState, StepState

pytestmark = pytest.mark.django_db(transaction=True)

DONE, FAILED = StepState.COMPLETED, StepState.FAILED
KEY = {"Idempotency-Key": "k-1"}


@pytest.fixture
def program(operator) -> Client:
    """Signed in, and told of an error of the server by its status as any program would be."""
    client = Client(raise_request_exception=False)
    client.force_login(operator)
    return client


@pytest.fixture
def address(owner, engine) -> Callable[[str], str]:
    """Of an endpoint that would do something if the body fitted."""

    def find(name: str) -> str:
        if name == "runs":
            return reverse(name)
        if name == "run-signal":
            run = start(asking, input={}, owner=owner, clock=engine.clock)
            engine.drive(run)
            return reverse(name, args=[run.pk, "approval"])
        state = RunState.RUNNING if name == "run-cancel" else RunState.FAILED
        run = make_run(owner, state=state, steps=(DONE, FAILED, StepState.PENDING))
        return reverse(name, args=[run.pk, "list_parts"] if name == "step-skip" else [run.pk])

    return find


def fault_of(response) -> str | None:
    """What is wrong with an answer to a bad request."""
    if not 400 <= response.status_code < 500:
        return f"status {response.status_code}"
    if response["Content-Type"] != "application/problem+json":
        return f"{response['Content-Type']}: {response.content[:60]!r}"
    problem = json.loads(response.content)
    fits = problem["status"] == response.status_code and problem["code"] and problem["detail"]
    return None if fits else f"not a problem: {problem}"


@pytest.mark.parametrize("headers", [{}, KEY], ids=["plain", "keyed"])
@pytest.mark.parametrize("name", OWN)
def test_a_body_that_does_not_fit_is_a_problem_of_its_sender(program, address, name, headers):
    url = address(name)
    before = list(Run.objects.values_list("pk", "state"))
    send = program.delete if name == "run" else program.post
    faults = {
        what: fault
        for what, body in bodies(name)
        if (fault := fault_of(send(url, body, content_type="application/json", headers=headers)))
    }
    assert not faults
    assert list(Run.objects.values_list("pk", "state")) == before
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("headers", [{}, KEY], ids=["plain", "keyed"])
@pytest.mark.parametrize("name", [name for name in OWN if name != "run"])
def test_a_body_in_another_form_is_a_problem_of_its_sender(program, address, name, headers):
    url = address(name)
    json_type, form = "application/json; charset=", "application/x-www-form-urlencoded"
    sent = {
        "another type": ("text/plain", b"reason=x"),
        "no type that there is": ("a; b", b"{}"),
        "another encoding": (f"{json_type}utf-16", b"{}"),
        "an encoding of no text": (f"{json_type}rot13", b"{}"),
        "an encoding of bytes": (f"{json_type}hex", b"{}"),
        "a form of many fields": (form, b"&".join(b"f%d=1" % number for number in range(2_000))),
        "a large form": (form, b"reason=" + b"x" * 3_000_000),
        "a form of other fields": (form, b"colour=red"),
        "a form without a boundary": ("multipart/form-data", b"--x"),
    }
    faults = {
        what: fault
        for what, (type_, body) in sent.items()
        if (fault := fault_of(program.generic("POST", url, body, content_type=type_, headers=headers)))
    }
    for field in ("reason", "output"):
        fields = {"reason": "x", "output": "y", field: SimpleUploadedFile("a.pdf", b"%PDF")}
        if fault := fault_of(program.post(url, fields, headers=headers)):
            faults[f"a file as {field}"] = fault
    assert not faults


@pytest.mark.parametrize("name", ["step-skip", "run-signal"])
@pytest.mark.parametrize("written", ["a%00b", "x" * 10_000, "%ff%fe", "%ed%a0%80", "%0a", "weigh%5b0%5d"])
def test_a_step_that_no_run_has_is_a_problem_of_its_sender(program, address, name, written):
    url = f"{address(name).rpartition('/')[0]}/{written}"
    url = url if name == "run-signal" else f"{url.replace('/list_parts', '')}/skip"
    for headers in ({}, KEY):
        answer = program.post(url, b'{"reason": "x"}', content_type="application/json", headers=headers)
        assert fault_of(answer) is None
    tries = reverse("step-attempts", args=[Run.objects.get().pk, "X"]).replace("X", written)
    assert fault_of(program.get(tries)) is None


@pytest.mark.parametrize("key", ["", '""', "a\x00b", "x" * 201, "x" * 100_000], ids=len)
@pytest.mark.parametrize("name", [name for name in OWN if name != "run"])
def test_a_key_that_no_column_holds_is_a_problem_of_its_sender(program, address, name, key):
    body = f"{{{ORDER}}}" if name == "runs" else "{}"
    headers = {"Idempotency-Key": key}
    answer = program.post(address(name), body, content_type="application/json", headers=headers)
    assert (fault_of(answer), answer.status_code) == (None, 400)


@pytest.mark.parametrize(
    "told", [b"a\x00b:x", b"\xff\xfe:x", b"no colon", b"x:" + b"y" * 100_000, b""], ids=len
)
def test_who_nobody_knows_is_asked_to_sign_in(db, told):
    headers = {"Authorization": f"Basic {base64.b64encode(told).decode()}"}
    client = Client(raise_request_exception=False)
    for answer in (
        client.post(reverse("runs"), headers=headers),
        client.get(reverse("runs"), headers=headers),
    ):
        assert (fault_of(answer), answer.status_code) == (None, 401)


VERBS = {
    "run-cancel": "{{{}}}",
    "run-retry": "{{{}}}",
    "run-rerun": '{{"from_step": "list_parts", {}}}',
    "run-compensate": "{{{}}}",
    "step-skip": '{{"output": 1, {}}}',
}


@pytest.mark.parametrize("name", VERBS)
def test_a_character_that_no_database_takes_is_kept_as_the_sign_for_one(program, address, name):
    body = VERBS[name].format(f'"reason": "a\\u0000b{HALF}c"')
    answer = program.post(address(name), body, content_type="application/json", headers=KEY)
    assert answer.status_code == 202
    assert AuditEntry.objects.get().reason == "a\ufffdb\ufffdc"
    reasons = [entry.payload["reason"] for entry in Entry.objects.all() if entry.payload.get("reason")]
    assert "a\ufffdb\ufffdc" in reasons
    assert not any("\x00" in reason for reason in reasons)
