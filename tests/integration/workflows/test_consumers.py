"""The example of docs/consumers.md: a service that reacts to what the engine commits, and one on another database."""

import json
from pathlib import Path
from uuid import uuid4

import pytest
from django.db import transaction

from outbox.append import Message, append
from outbox.consumer import Consumer, find
from outbox.consuming import loop as loops
from outbox.consuming.logs import DatabaseLog
from outbox.consuming.loop import ConsumerLoop
from outbox.models import Audience, Inbox, Stream
from tests import flows
from tests.factories import NOW, make_run
from tests.integration.outbox.hosing import Noting, applied, tell
from tests.invoicing.http_log import HttpLog
from tests.invoicing.models import Line
from workflows.services import start

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs/consumers.md").read_text()

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(loops, "POLL_SECONDS", 0.001)


def turns(loop: ConsumerLoop, count: int = 6) -> None:
    for _ in range(count):
        loop._try_turn()


@pytest.mark.parametrize("name", ["consumers.py", "http_log.py"])
def test_the_guide_shows_the_very_code_that_is_tested_here(name):
    code = (ROOT / "tests/invoicing" / name).read_text()
    assert f"```python\n{code}```" in GUIDE.replace("from invoicing", "from tests.invoicing")


def test_each_completed_step_of_a_run_has_its_line_on_the_invoice(engine, owner, redis_client):
    run = start(flows.ordering, input={}, owner=owner)
    engine.finish(run)
    tell(redis_client, Stream.objects.get(key=run.id))
    loop = ConsumerLoop(find("invoices"), connection=redis_client)
    turns(loop)
    turns(ConsumerLoop(find("invoices"), connection=redis_client))
    steps = list(run.steps.order_by("position").values_list("name", flat=True))
    assert list(Line.objects.order_by("seq").values_list("step", flat=True)) == steps
    assert all(line.run == run.id and line.seconds >= 0 for line in Line.objects.all())
    assert Inbox.objects.get(stream=run.id).seq == Stream.objects.get(key=run.id).head


def test_a_service_on_another_database_fills_gaps_over_the_api(
    operator, owner, live_server, redis_client, clock
):
    run = make_run(owner)
    with transaction.atomic():
        append(
            run.id,
            [Message(type="message", payload={"n": n}, audience=Audience.OPERATOR) for n in range(6)],
            now=NOW,
        )
    stream = Stream.objects.get(key=run.id)
    log = HttpLog(live_server.url, user="olga", password="olga-password")
    here, there = DatabaseLog(), log
    assert there.head(run.id) == here.head(run.id)
    ours = here.entries(run.id, epoch=1, after=2, limit=3)
    theirs = there.entries(run.id, epoch=1, after=2, limit=3)
    assert [json.dumps(e.envelope, sort_keys=True) for e in theirs] == [
        json.dumps(e.envelope, sort_keys=True) for e in ours
    ]

    elsewhere = Consumer(name="tested", handler=Noting(), log=log)
    tell(redis_client, stream, 1, 4)
    loop = ConsumerLoop(elsewhere, connection=redis_client, clock=clock)
    turns(loop)
    assert applied(stream) == [1, 2, 3, 4, 5, 6]

    nowhere = uuid4()
    assert there.head(nowhere) is None
    assert there.entries(nowhere, epoch=1, after=0, limit=5) == []


def test_an_api_that_is_away_is_waited_for(redis_client, owner):
    run = make_run(owner)
    with transaction.atomic():
        append(run.id, [Message(type="message") for _ in range(3)], now=NOW)
    stream = Stream.objects.get(key=run.id)
    log = HttpLog("http://127.0.0.1:1", user="olga", password="olga-password")
    loop = ConsumerLoop(Consumer(name="tested", handler=Noting(), log=log), connection=redis_client)
    tell(redis_client, stream, 3)
    turns(loop)
    assert applied(stream) == []
    tell(redis_client, stream, 1, 2)
    turns(loop)
    assert applied(stream) == []  # the entry in hand comes first
