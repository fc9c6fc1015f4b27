"""What the service says of its API is true, and whole."""

import re
from typing import Any

import pytest
from django.urls import get_resolver, reverse
from django.urls.resolvers import URLPattern, URLResolver
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema
from pydantic import BaseModel

from outbox.models import Stream
from tests.factories import NOW, make_run
from workflows.api.description import answers, result_answers, sharing
from workflows.api.description.operations import operations
from workflows.api.description.serving import openapi_document
from workflows.entrance.sharing import share
from workflows.models import Attempt, Item, LinkScope, Run
from workflows.problem_kinds import KINDS
from workflows.states import RunState, StepState

pytestmark = pytest.mark.django_db(transaction=True)

DONE = StepState.COMPLETED
# Addresses below /api/ that are none of its: whatever else is asked for there.
NO_ENDPOINTS = {"/api/v1/"}
PART = re.compile(r"<(?:\w+:)?(\w+)>")


def routes(patterns: list[Any], prefix: str = "/") -> set[str]:
    found: set[str] = set()
    for pattern in patterns:
        where = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            found |= routes(pattern.url_patterns, where)
        elif isinstance(pattern, URLPattern):
            found.add(where)
    return found


def test_the_document_is_openapi_and_nothing_in_it_was_guessed():
    GENERATOR_STATS.reset()
    document = SchemaGenerator().get_schema(request=None, public=True)
    validate_schema(document)
    assert not GENERATOR_STATS, GENERATOR_STATS._warn_cache


def test_every_address_of_the_api_is_described():
    api = {route for route in routes(get_resolver().url_patterns) if route.startswith("/api/")} - NO_ENDPOINTS
    assert {PART.sub(r"{\1}", route) for route in api} <= set(openapi_document()["paths"])


def test_what_is_described_is_there_and_every_reference_leads_somewhere():
    document = openapi_document()
    there = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert there == set(operations())
    schemas = document["components"]["schemas"]
    for reference in references(document):
        assert reference.removeprefix("#/components/schemas/") in schemas


def references(part: Any) -> set[str]:
    if isinstance(part, list):
        return {reference for each in part for reference in references(each)}
    if not isinstance(part, dict):
        return set()
    own = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
    return own | {reference for each in part.values() for reference in references(each)}


def test_every_problem_that_an_operation_names_has_its_status_and_its_page(client):
    for item in openapi_document()["paths"].values():
        for operation in item.values():
            for status, answer in operation["responses"].items():
                problem = answer.get("content", {}).get("application/problem+json")
                for slug in problem["schema"]["allOf"][1]["properties"]["code"]["enum"] if problem else []:
                    assert KINDS[slug].status == int(status)


@pytest.fixture
def run(client, owner) -> Run:
    run = make_run(
        owner, state=RunState.COMPLETED, steps=(DONE, DONE, DONE), input={"item": "lamp"}, labels={"a": "b"}
    )
    Stream.objects.filter(key=run.pk).update(head=20, published=20)
    Item.objects.create(
        run=run, step=run.steps.get(position=1), attempt=1, index=0, key="0", type="Note", data={}, seq=1,
        created_at=NOW,
    )  # fmt: skip
    client.force_login(owner)
    return run


ANSWERS = [
    ("run", "", answers.RunSnapshot),
    ("runs", "?count=estimate", answers.RunPage),
    ("run-steps", "", answers.StepPage),
    ("step-attempts", "", answers.AttemptList),
    ("run-items", "", answers.ItemPage),
    ("run-items", "?include=gone", answers.ItemPage),
    ("run-events", "", answers.EventPage),
    ("run-result", "", result_answers.ResultWhole),
    ("run-result", "?depth=2", result_answers.ResultPart),
    ("workflows", "", answers.WorkflowList),
    ("workflow", "", answers.WorkflowDetail),
    ("run", "?wait=x", answers.Problem),
    ("share-links", "", sharing.ShareLinkList),
    ("shared", "", answers.RunSnapshot),
    ("shared-items", "", answers.ItemPage),
    ("shared-events", "", answers.EventPage),
    ("shared-result", "", result_answers.ResultWhole),
]


@pytest.mark.parametrize(("name", "query", "model"), ANSWERS)
def test_an_answer_has_exactly_the_members_that_are_described(
    client, run, name, query, model: type[BaseModel]
):
    _, secret = share(run.pk, by=run.owner, scopes=LinkScope.values)
    parts = {
        "runs": [], "workflows": [], "workflow": ["test-ordering"], "step-attempts": [run.pk, run.steps.first().name],
    }  # fmt: skip
    of_run = [secret] if name.startswith("shared") else [run.pk]
    body = client.get(reverse(name, args=parts.get(name, of_run)) + query).json()
    described = model.model_validate(body).model_dump(exclude_unset=True)
    assert _names(described) == _names(body)


@pytest.mark.parametrize(
    ("name", "model"), [("share-links", sharing.NewShareLink), ("stream-tickets", sharing.Ticket)]
)
def test_what_is_made_is_answered_as_it_is_described(client, run, name, model: type[BaseModel]):
    answer = client.post(reverse(name, args=[run.pk] if name == "share-links" else []))
    assert answer.status_code == 201
    assert model.model_validate(answer.json()).model_dump().keys() == answer.json().keys()


def test_what_a_step_used_is_answered_as_it_is_described(client, run):
    step = run.steps.get(position=1)
    used = {"tokens_in": 7, "tokens_out": 5, "cost": 0.5, "calls": 1, "model": "m"}
    Attempt.objects.filter(step=step).update(usage=used)
    body = client.get(reverse("run", args=[run.pk])).json()
    snapshot = answers.RunSnapshot.model_validate(body)
    assert snapshot.steps[1].usage is not None
    assert _names(snapshot.model_dump(exclude_unset=True)) == _names(body)


def _names(part: Any) -> Any:
    """The names of all members, without values."""
    if isinstance(part, dict):
        return {name: _names(each) for name, each in part.items()}
    return [_names(each) for each in part] if isinstance(part, list) else None


def test_anyone_may_read_the_document_and_keep_it(client):
    answer = client.get(reverse("openapi"))
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
    assert answer.json()["openapi"] == "3.1.0"
    assert client.get(reverse("openapi"), headers={"If-None-Match": answer["ETag"]}).status_code == 304


def test_the_page_needs_nothing_from_elsewhere_and_no_script(client):
    answer = client.get(reverse("api-page"))
    html = answer.content.decode()
    assert "default-src 'none'" in answer["Content-Security-Policy"]
    assert "script" not in answer["Content-Security-Policy"]
    assert "<script" not in html
    assert " style=" not in html
    assert "//" not in html.replace("http://www.w3.org", "")
    for (_, path), operation in operations().items():
        assert f'id="{operation.id}"' in html
        assert path in html
    for reference in references(openapi_document()):
        assert f'id="schema-{reference.rpartition("/")[2]}"' in html
