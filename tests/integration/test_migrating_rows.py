"""Rows of the first release are still there after all migrations, and mean what they meant."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from workflows.models import Attempt, AuditEntry, Item, Run, Step
from workflows.states import RUN_TERMINAL, STEP_TERMINAL, RunState, StepState

pytestmark = pytest.mark.django_db(transaction=True)

FIRST = [("workflows", "0001_initial")]
# Those that the first release knew.
RUN_STATES = [state for state in RunState.values if state not in {"waiting", "cancelling", "cancelled"}]
STEP_STATES = [state for state in StepState.values if state not in {"waiting", "skipped"}]


@pytest.fixture
def first_release() -> Iterator[Any]:
    """The database as it was then; brought up to date again at the end, whatever happened."""
    executor = MigrationExecutor(connection)
    newest = executor.loader.graph.leaf_nodes("workflows")
    executor.migrate(FIRST)
    try:
        yield executor.loader.project_state(FIRST).apps
    finally:
        up_to_date(newest)


def up_to_date(newest: list[Any] | None = None) -> None:
    executor = MigrationExecutor(connection)
    executor.migrate(newest or executor.loader.graph.leaf_nodes("workflows"))


def working(state: str, now: datetime) -> dict[str, Any]:
    """What the tables demanded of a step in this state."""
    if state in STEP_TERMINAL:
        return {"finished_at": now}
    if state == "pending":
        return {}
    leased = {"lease_token": uuid4(), "lease_expires_at": now, "deadline_at": now, "holder": "h:1:1"}
    return {"due_at": now, **(leased if state == "running" else {})}


def test_runs_in_every_state_with_steps_in_every_state_survive(first_release):
    now, owner = timezone.now(), User.objects.create(username="anna")
    models = {
        name: first_release.get_model("workflows", name)
        for name in ("Run", "Step", "Attempt", "Item", "AuditEntry")
    }
    for number, state in enumerate(RUN_STATES):
        run = models["Run"].objects.create(
            workflow="w",
            version=1,
            plan={},
            plan_hash="0",
            input={"number": number},
            owner_id=owner.pk,
            title="t",
            state=state,
            created_at=now,
            finished_at=now if state in RUN_TERMINAL else None,
        )
        for position, step_state in enumerate(STEP_STATES):
            step = models["Step"].objects.create(
                run=run,
                position=position,
                stage=position,
                branch=0,
                name=f"s{position}",
                title="S",
                queue="q",
                timeout_seconds=1,
                max_attempts=1,
                state=step_state,
                output={"of": position},
                **working(step_state, now),
            )
            models["Attempt"].objects.create(step=step, kind="forward", number=1, worker="w", started_at=now)
        models["Item"].objects.create(
            run=run, step=step, attempt=1, index=0, key="k", type="T", data={}, seq=1, created_at=now
        )
        models["AuditEntry"].objects.create(
            run=run, actor_id=owner.pk, action="retry", before="failed", after="running", created_at=now
        )
    up_to_date()
    assert sorted(Run.objects.values_list("state", flat=True)) == sorted(RUN_STATES)
    for run in Run.objects.all():
        assert [step.state for step in run.steps.order_by("position")] == STEP_STATES
        assert [step.output["of"] for step in run.steps.order_by("position")] == list(range(len(STEP_STATES)))
    assert Step.objects.filter(kind="step", parent=None).count() == len(RUN_STATES) * len(STEP_STATES)
    assert Attempt.objects.count() == Step.objects.count()
    assert Item.objects.count() == AuditEntry.objects.count() == len(RUN_STATES)
