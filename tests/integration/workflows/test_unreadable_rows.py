"""Rows that were not written by the engine, and that a database takes and no reader can read."""

import pytest
from django.db import connection
from django.urls import reverse

from outbox.models import Stream
from tests.factories import NOW, make_run
from workflows.engine.storable import UNREADABLE
from workflows.models import Item
from workflows.states import RunState, StepState

pytestmark = pytest.mark.django_db


def test_a_row_that_nobody_can_read_spares_the_others(client, owner):
    run = make_run(owner, state=RunState.COMPLETED, steps=(StepState.COMPLETED,) * 3)
    Stream.objects.filter(key=run.pk).update(head=3, published=3)
    step = run.steps.get(position=1)
    for index in range(3):
        Item.objects.create(
            run=run, step=step, attempt=1, index=index, key=str(index), type="Note",
            data={"text": str(index)}, seq=index + 1, created_at=NOW,
        )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("UPDATE workflows_item SET data = %s WHERE seq = 2", ['{"text": %s}' % ("9" * 5_000)])

    client.force_login(owner)
    answer = client.get(reverse("run-items", args=[run.pk]))

    assert answer.status_code == 200
    assert [item["value"] for item in answer.json()["items"]] == [{"text": "0"}, UNREADABLE, {"text": "2"}]
    assert client.get(reverse("run-page", args=[run.pk])).status_code == 200
