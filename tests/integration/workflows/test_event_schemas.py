"""Events are what is published of them, and what is published is AsyncAPI."""

from typing import Any
from uuid import uuid4

import jsonschema_rs
import pytest
from django.db import transaction
from django.urls import reverse

from outbox import wire
from outbox.append import Message
from outbox.models import Entry
from streaming.gateway.errors import not_found
from streaming.gateway.followed import Bye, CaughtUp, End, Gap, Head, Opened, Reset, control
from streaming.gateway.ndjson import line
from streaming.gateway.sse import hello
from streaming.gateway.websocket import frame_of
from tests import emitted
from tests.factories import NOW, make_run, messages
from tests.integration.workflows.test_description import references
from workflows.api.description.asyncapi import asyncapi_document
from workflows.events import TYPES, RunStarted, message
from workflows.services import journal

pytestmark = pytest.mark.django_db(transaction=True)

RUN = uuid4()
FOLLOWED = [CaughtUp(3), Head(3, 1), Gap(1, 4), End(3, "completed"), Reset(3, 2, "/api/v1/runs/1"), Bye(700)]
OPENED = Opened(RUN, 2, 3, 1, True)


def validator(name: str) -> Any:
    """Of a message, by its name in the document."""
    document = asyncapi_document()
    return jsonschema_rs.validator_for(
        {"$ref": f"#/components/messages/{name}/payload", "components": document["components"]},
        validate_formats=True,
    )


def test_the_document_has_every_event_and_each_reference_leads_somewhere():
    document = asyncapi_document()
    assert {f"event.{name}" for name in TYPES} <= set(document["components"]["messages"])
    for reference in references(document):
        part = document
        for name in reference.removeprefix("#/").split("/"):
            part = part[name]
    for operation in document["operations"].values():
        channel = operation["channel"]["$ref"]
        assert all(each["$ref"].startswith(f"{channel}/messages/") for each in operation["messages"])


def test_anyone_may_read_it(client):
    answer = client.get(reverse("asyncapi"))
    assert (answer.status_code, answer.json()["asyncapi"]) == (200, "3.0.0")


def test_an_event_of_the_log_is_as_it_is_published(owner):
    run = make_run(owner)
    with transaction.atomic():
        journal.record(run.pk, [message(RunStarted()), *messages(1)], now=NOW)
    for entry in Entry.objects.filter(stream=run.pk):
        validator(f"event.{entry.type}").validate(wire.envelope(entry))
        assert validator("socket.event").is_valid({"type": "event", "event": wire.envelope(entry)})


def test_what_is_added_later_is_no_error_of_todays_readers():
    event = wire.envelope_of(
        seq=1, id=str(uuid4()), type="run.started", run=str(RUN), headers={}, time=wire.timestamp(NOW), data={"new": 1}
    )  # fmt: skip
    assert validator("event.run.started").is_valid({**event, "also": "new"})
    assert not validator("event.run.started").is_valid({**event, "seq": 0})


@pytest.mark.parametrize("item", FOLLOWED, ids=lambda item: type(item).__name__)
def test_a_control_is_as_it_is_published(item):
    name = control(item)["type"]
    validator(f"control.{name}").validate(control(item))
    if not isinstance(item, Bye):
        validator(f"socket.{name}").validate(wire.Decoder().decode(frame_of(item, run=RUN)))


def test_openings_and_refusals_are_as_they_are_published():
    validator("control.hello").validate(hello(OPENED))
    validator("socket.subscribed").validate(wire.Decoder().decode(frame_of(OPENED, run=RUN)))
    validator("socket.error").validate({"type": "error", "run": str(RUN), "problem": not_found().problem()})
    assert line(OPENED) == b""


@pytest.mark.parametrize(
    "bad", [{"payload": {"surplus": 1}}, {"type": "run.unheard"}, {"headers": {"stepp": "x"}}]
)
def test_an_event_beside_its_schema_is_found_in_any_test(owner, bad):
    run = make_run(owner)
    with transaction.atomic():
        wrong = Message(**{"type": "run.started", **bad})
        if bad.get("type"):
            emitted.check({"type": wrong.type})
        else:
            journal.record(run.pk, [wrong], now=NOW)
    assert emitted.told()
    assert not emitted.told()
