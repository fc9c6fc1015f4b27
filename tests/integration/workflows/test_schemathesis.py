"""The API, asked with whatever its own description allows and with much that it does not: no answer is a 5xx, and
each is one that the description knows.
"""

from collections.abc import Callable
from typing import Any

import hypothesis
import pytest
import schemathesis
from django.contrib.auth.models import User
from django.core.handlers.wsgi import WSGIHandler
from django.db import transaction
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.specs.openapi import checks

from outbox.append import Message, append
from outbox.models import Stream
from tests.factories import NOW, make_run, messages
from workflows import system
from workflows.api.description.serving import openapi_document
from workflows.entrance.sharing import share
from workflows.models import Item, LinkScope, Run, Scope
from workflows.services.tokens import make_token
from workflows.states import RunState, StepState

pytestmark = [
    pytest.mark.django_db(transaction=True),
    # The handler of WSGI is in this thread, as the database of the test is; streams are asynchronous under ASGI.
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume asynchronous iterators:Warning"),
    pytest.mark.usefixtures("redis_client"),
]

EXAMPLES = 4
DONE, FAILED = StepState.COMPLETED, StepState.FAILED
CHECKS = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
OPERATIONS = [
    (method, path) for path, item in sorted(openapi_document()["paths"].items()) for method in sorted(item)
]
# Of a run that goes on, these may wait or never end.
STREAMS = {"read_events", "get_run"}
PAGES = ("get_report", "get_shared_report")


@pytest.fixture(autouse=True)
def _nobody_to_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "PING_SECONDS", 0.001)


@pytest.fixture
def headers(operator: User) -> dict[str, str]:
    return {"Authorization": f"Bearer {make_token(operator, name='a program', scopes=Scope.values)[1]}"}


@pytest.fixture
def runs(operator: User) -> list[Run]:
    """One that completed, with items and a log, one that failed, one that waits for its worker."""
    completed = make_run(operator, state=RunState.COMPLETED, steps=(DONE, DONE, DONE))
    failed = make_run(operator, state=RunState.FAILED, steps=(DONE, DONE, FAILED))
    for run in (completed, failed):
        with transaction.atomic():
            append(run.pk, [*messages(3), Message(type=f"run.{run.state}")], now=NOW, closes=True)
    step = completed.steps.get(position=1)
    for index in range(3):
        Item.objects.create(
            run=completed, step=step, attempt=1, index=index, key=str(index), type="Note",
            data={"title": "x"}, seq=index + 1, created_at=NOW,
        )  # fmt: skip
    Stream.objects.update(published=4)
    return [completed, failed, make_run(operator, steps=(StepState.READY,))]


@pytest.mark.parametrize("key", OPERATIONS, ids=" ".join)
def test_every_answer_is_one_that_is_described(
    key: tuple[str, str], runs: list[Run], headers: dict[str, str]
) -> None:
    method, path = key
    schema = schemathesis.openapi.from_dict(openapi_document())
    schema.app = WSGIHandler()
    operation = schema[path][method]
    steer = steering(operation.definition.raw["operationId"], runs)

    @hypothesis.settings(
        max_examples=EXAMPLES,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(st.data())
    def ask(data: st.DataObject) -> None:
        mode = data.draw(st.sampled_from([GenerationMode.POSITIVE, GenerationMode.NEGATIVE]))
        case = data.draw(operation.as_strategy(generation_mode=mode))
        steer(case, data.draw)
        response = case.call(headers=headers)
        case.validate_response(response, checks=CHECKS)

    ask()


def steering(name: str, runs: list[Run]) -> Callable[[Any, Callable[[Any], Any]], None]:
    """Most cases would ask for what nobody has: this leads many of them to what is there."""
    found = [str(run.pk) for run in (runs[:2] if name in STREAMS else runs)]
    link, secret = share(runs[0].pk, by=runs[0].owner, scopes=LinkScope.values)
    there: dict[str, list[Any]] = {
        "run_id": found, "step": ["reserve", "pay"], "name": ["test-ordering"], "secret": [secret],
        "link_id": [link.pk],
    }  # fmt: skip

    def steer(case: Any, draw: Callable[[Any], Any]) -> None:
        for part in set(case.path_parameters or {}) & set(there):
            # Other addresses below /runs/ and /s/ are pages, and so is what is said of them.
            if draw(st.integers(0, 3)) or name.startswith(PAGES):
                case.path_parameters[part] = draw(st.sampled_from(there[part]))
        if name == "start_run" and isinstance(case.body, dict) and draw(st.booleans()):
            case.body |= {"workflow": "test-ordering", "input": {"item": "lamp"}}

    return steer
