"""The items of a run that has a hundred thousand of them."""

import pytest
from django.db import connection
from django.urls import reverse

from outbox.models import Stream
from tests.factories import NOW, make_run
from workflows.models import Item, Run
from workflows.states import RunState, StepState

pytestmark = pytest.mark.django_db(transaction=True)

COUNT = 100_000
BATCH = 1_000
FIRST_SEQ = 10
DONE = StepState.COMPLETED

# More of what is there, numbered on: as many rows by themselves take their time.
MULTIPLY = """
WITH RECURSIVE batches(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM batches WHERE n < %s)
INSERT INTO workflows_item (run_id, step_id, attempt, "index", key, type, data, seq, created_at)
SELECT run_id, step_id, attempt, "index" + n * %s, key, type, data, seq + n * %s, created_at
FROM workflows_item, batches
"""


@pytest.fixture
def run(owner, client) -> Run:
    """Item n was announced by event n + FIRST_SEQ, and is of its second step; the last one is of its third."""
    client.force_login(owner)
    run = make_run(owner, state=RunState.COMPLETED, steps=(DONE,) * 3)
    Stream.objects.filter(key=run.pk).update(head=2 * COUNT, published=2 * COUNT)
    _, many, one = run.steps.order_by("position")
    Item.objects.bulk_create(item(run, many, number) for number in range(BATCH))
    with connection.cursor() as cursor:
        cursor.execute(MULTIPLY, [COUNT // BATCH - 1, BATCH, BATCH])
        item(run, one, COUNT).save()
        cursor.execute("ANALYZE")
    return run


def item(run: Run, step, number: int) -> Item:
    place = {"run": run, "step": step, "index": number, "seq": number + FIRST_SEQ}
    return Item(**place, attempt=1, key="k", type="Note", data={"text": "x" * 60}, created_at=NOW)


def test_every_page_of_a_hundred_thousand_items_is_read_from_the_index(client, run):
    def indexes(**query) -> list[int]:
        answer = client.get(reverse("run-items", args=[run.pk]), {"limit": 200, **query}).json()
        return [item["index"] for item in answer["items"]]

    assert indexes() == list(range(200))
    assert indexes(after=FIRST_SEQ + 50_000 - 1) == list(range(50_000, 50_200))
    assert indexes(after=FIRST_SEQ + COUNT - 3) == [COUNT - 2, COUNT - 1, COUNT]
    assert indexes(step="charge") == [COUNT]
    assert indexes(step="list_parts", after=FIRST_SEQ + COUNT - 3) == [COUNT - 2, COUNT - 1]
    rows = Item.objects.filter(run=run, seq__gt=50_000).order_by("seq")[:200]
    assert "item_of_run_by_seq" in rows.explain()
