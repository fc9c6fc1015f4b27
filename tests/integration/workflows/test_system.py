"""What a health page is told."""

from datetime import timedelta

import pytest
from django.db import OperationalError
from django.urls import reverse
from django.utils import timezone
from kombu.exceptions import OperationalError as BrokerError

from tests.factories import make_run
from workflows import system
from workflows.api.description.service import SystemStatus
from workflows.models import Run, Step
from workflows.states import RunState, StepState

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis_client")]


@pytest.fixture
def workers(monkeypatch) -> list[str]:
    names = ["worker@here"]
    monkeypatch.setattr(system, "_workers", lambda: names)
    return names


@pytest.fixture
def told(client, operator):
    def read() -> dict:
        client.force_login(operator)
        answer = client.get(reverse("system"))
        assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")
        assert (
            SystemStatus.model_validate(answer.json()).model_dump(mode="json", exclude_unset=True).keys()
            == answer.json().keys()
        )
        return answer.json()

    return read


def on_time(run: Run) -> Run:
    Step.objects.filter(run=run, due_at__isnull=False).update(due_at=timezone.now() + timedelta(minutes=1))
    return run


def test_a_service_without_trouble_says_so(owner, told, workers):
    on_time(make_run(owner, steps=(StepState.RUNNING,)))
    make_run(owner, state=RunState.COMPLETED, steps=(StepState.COMPLETED,) * 3)
    body = told()
    assert (body["is_well"], body["troubles"], body["workers"]) == (True, [], workers)
    assert body["live_runs"] == {"running": 1}
    assert list(body["steps_by_holder"].values()) == [1]
    assert body["relay"]["waiting"]["entries"] == body["relay"]["published"]["entries_added"] == 0
    assert set(body["queues"]) <= {"default", "llm", "relay"}


def test_what_is_stuck_is_told_with_its_way_out(owner, told, workers):
    make_run(owner, steps=(StepState.READY,))
    lost = make_run(owner)
    unknown = on_time(make_run(owner, steps=(StepState.READY,)))
    Run.objects.filter(pk=unknown.pk).update(version=99)
    workers.clear()
    body = told()
    assert body["stuck"]["overdue_steps"] == 1
    assert body["stuck"]["overdue_since"] < timezone.now().isoformat()
    assert body["stuck"]["stranded_runs"] == [str(lost.pk)]
    assert body["stuck"]["missing_code"] == [
        {"workflow": "test-ordering", "version": 99, "step": "", "runs": 1}
    ]
    assert not body["is_well"]
    words = " ".join(body["troubles"])
    for part in ("no worker answers", "late alarm", "have no alarm", "test-ordering version 99"):
        assert part in words


def test_a_part_that_is_away_keeps_no_other_from_being_told(owner, told, monkeypatch):
    def away(*args: object, **options: object) -> None:
        raise BrokerError("refused")

    def gone(*args: object, **options: object) -> None:
        raise OperationalError("gone")

    monkeypatch.setattr("workflows.system.current_app.control.ping", away)
    monkeypatch.setattr(system, "_stuck", gone)
    body = told()
    assert (body["workers"], body["queues"], body["stuck"], body["live_runs"]) == (None, None, None, None)
    assert body["relay"]["published"] is not None
    assert any("broker does not answer" in trouble for trouble in body["troubles"])


def test_it_is_for_staff(client, owner):
    client.force_login(owner)
    answer = client.get(reverse("system"))
    assert (answer.status_code, answer.json()["code"]) == (403, "permission-denied")
    client.logout()
    assert client.get(reverse("system")).status_code == 401
