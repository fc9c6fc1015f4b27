"""Fan-outs of thousands: what is done to all parts at once costs what it does for a few."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.db.models.signals import pre_init
from django.test.utils import CaptureQueriesContext

from tests.flows import fanning, fanning_back
from workflows.models import Run
from workflows.services import rerun
from workflows.services.resend import send_opened
from workflows.states import RunState, StepState

pytestmark = pytest.mark.django_db(transaction=True)

FEW, MANY = list(range(3)), list(range(40))


def expanded(owner, engine, parts: list[int], workflow=fanning) -> Run:
    run = engine.start(workflow, input={"parts": parts}, owner=owner)
    engine.work(run.steps.get(name="pack"))
    return run


def statements(act: Callable[[], object]) -> int:
    """How many statements `act` takes, without inserts: SQLite takes some twenty rows in each."""
    with CaptureQueriesContext(connection) as queries:
        act()
    return sum(not query["sql"].startswith("INSERT") for query in queries)


def give(run: Run, parts: list[int]) -> None:
    Run.objects.filter(pk=run.pk).update(input={"parts": parts, "fails": [], "error": "fatal"})


@pytest.mark.parametrize("from_step", [None, "weigh"])
def test_a_retry_opens_the_parts_together(owner, engine, operator, from_step):
    counts = []
    for parts in (FEW, MANY):
        run = expanded(owner, engine, parts)
        engine.cancel(run, undo=False, by=operator)
        counts.append(statements(lambda run=run: engine.retry(run, from_step=from_step, by=operator)))
        assert run.steps.filter(parent__isnull=False, state=StepState.READY).count() == len(parts)
    assert counts[0] == counts[1]


@pytest.mark.parametrize("change", [lambda parts: [part + 1 for part in parts], lambda parts: parts[:1]])
def test_parts_get_their_new_items_together(owner, engine, operator, change):
    counts = []
    for parts in (FEW, MANY):
        run = expanded(owner, engine, parts)
        engine.cancel(run, undo=False, by=operator)
        give(run, change(parts))
        engine.retry(run, from_step="pack", by=operator)
        lease = engine.acquire(run.steps.get(name="pack"))
        outcome = engine.execute(lease)
        counts.append(statements(lambda lease=lease, outcome=outcome: engine.settle(lease, outcome)))
        run = engine.finish(run)
        assert (run.state, run.steps.get(name="total").output) == (
            RunState.COMPLETED,
            10 * sum(change(parts)),
        )
    assert counts[0] == counts[1]


def test_an_item_that_only_looks_the_same_is_written(owner, engine, operator):
    run = expanded(owner, engine, [1, 0])
    engine.cancel(run, undo=False, by=operator)
    run.steps.filter(name="pack").update(output=[True, 0])
    engine.retry(run, by=operator)
    items = run.steps.filter(parent__isnull=False).order_by("index").values_list("item", flat=True)
    assert list(map(type, items)) == [bool, int]


def test_a_rerun_takes_over_the_parts_together(owner, engine, operator):
    counts = []
    for parts in (FEW, MANY):
        run = engine.finish(expanded(owner, engine, parts))
        counts.append(
            statements(lambda run=run: rerun(run.pk, by=operator, from_step="total", clock=engine.clock))
        )
    assert counts[0] == counts[1]


def test_sending_the_parts_reads_their_run_once(owner, engine):
    run = expanded(owner, engine, MANY)
    parts = list(run.steps.filter(parent__isnull=False).values_list("pk", flat=True))
    made: list[type] = []

    def note(sender: type, **_: object) -> None:
        made.append(sender)

    pre_init.connect(note, sender=Run)
    send_opened(parts)
    assert made == [Run]


def test_a_broker_that_is_away_is_tried_once_however_many_parts_there_are(
    owner, engine, operator, monkeypatch
):
    tries = []

    def refuse(links):
        tries.append(links)
        raise ConnectionError("broker away")

    run = expanded(owner, engine, MANY, fanning_back)
    engine.cancel(run, undo=False, by=operator)
    monkeypatch.setattr("workflows.dispatch.send", refuse)
    engine.retry(run, by=operator)
    assert len(tries) == 1
    monkeypatch.undo()
    assert engine.finish(run).state == RunState.COMPLETED, "the sweeper sends the rest"
    monkeypatch.setattr("workflows.dispatch.send", refuse)
    tries.clear()
    engine.compensate(run, by=operator)
    assert len(tries) == 1
