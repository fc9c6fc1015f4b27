"""Who may see what came of a run, beside how it goes: one rule for the API, its log and the admin."""

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import Permission, User
from django.db import transaction
from django.urls import reverse

from outbox.append import Message, append
from tests.factories import NOW, make_run, messages
from workflows.access import PAYLOAD_TYPES
from workflows.events import TYPES
from workflows.models import Run
from workflows.states import RunState, StepState

pytestmark = pytest.mark.django_db(transaction=True)


def url(name: str, run: Run) -> str:
    return reverse(name, args=[run.id])


@pytest.mark.parametrize(
    ("reader", "status"),
    [("anna", 200), ("bert", 404), ("stefan", 403), ("vera", 200), ("olga", 200)],
)
def test_what_came_of_a_run_is_its_owners_and_theirs_who_have_the_permission(
    client, owner, stranger, operator, reader, status
):
    """Of API and admin alike; in the admin, where only staff with `view_run` come."""
    permissions = {name: Permission.objects.get(codename=name) for name in ("view_payloads", "view_run")}
    owner.user_permissions.add(permissions["view_run"])
    for name in ("stefan", "vera"):
        User.objects.create_user(name, is_staff=True).user_permissions.add(permissions["view_run"])
    User.objects.get(username="vera").user_permissions.add(permissions["view_payloads"])
    run = make_run(owner, state=RunState.COMPLETED, steps=(StepState.COMPLETED,) * 3)

    client.force_login(User.objects.get(username=reader))
    assert client.get(url("run", run)).status_code == (404 if status == 404 else 200)
    for name in ("run-items", "run-result"):
        assert client.get(url(name, run)).status_code == status, name
    if reader in ("anna", "bert"):
        User.objects.filter(username=reader).update(is_staff=True)
    if reader != "bert":
        answer = client.get(reverse("admin:workflows_run_payload", args=[run.pk, "input", run.pk]))
        assert answer.status_code == status
        page = client.get(reverse("admin:workflows_run_change", args=[run.pk])).content.decode()
        assert ("/payload/" in page) == (status == 200)


@pytest.mark.parametrize("format", ["json", "ndjson"])
def test_the_log_of_somebody_elses_run_is_shown_without_what_came_of_it(client, owner, format):
    run = make_run(owner, steps=(StepState.COMPLETED,))
    with transaction.atomic():
        append(run.id, messages(1), now=NOW)
        append(run.id, [Message(type="item.committed", payload={"value": {"text": "a lamp"}})], now=NOW)
    staff = User.objects.create_user("stefan", is_staff=True)
    for user, is_shown in ((owner, True), (staff, False)):
        client.force_login(user)
        answer = client.get(f"{url('run-events', run)}?format={format}")
        text = body_of(answer)
        assert '"type":"message"' in text
        assert ("a lamp" in text) == is_shown
    staff.user_permissions.add(Permission.objects.get(codename="view_payloads"))
    assert "a lamp" in body_of(client.get(f"{url('run-events', run)}?format={format}"))


def body_of(answer) -> str:
    async def read() -> bytes:
        return b"".join([chunk async for chunk in answer.streaming_content])

    return (async_to_sync(read)() if answer.streaming else answer.content).decode()


def test_every_event_that_carries_an_item_is_withheld_with_the_items():
    carrying = {name for name, model in TYPES.items() if {"value", "raw", "ops"} & set(model.model_fields)}
    assert carrying == PAYLOAD_TYPES
