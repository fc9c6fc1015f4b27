"""Who may see what, and that nothing is changed by hand."""

import json

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from outbox.models import Entry
from tests.factories import make_run
from tests.integration.workflows.admin.scenes import (
    FAILED,
    LIST,
    SCRIPT,
    add_items,
    page_of,
    payload_of,
)
from workflows.models import Run
from workflows.states import RunState, StepState

pytestmark = pytest.mark.django_db


def test_payloads_are_sizes_to_those_who_may_not_see_them(looking, owner):
    run = make_run(owner, steps=(StepState.COMPLETED, StepState.RUNNING))
    add_items(run, 1)
    with CaptureQueriesContext(connection) as captured:
        text = looking.get(page_of(run)).content.decode()
    assert "bytes" in text
    assert "/payload/" not in text
    assert "secret-key" not in text  # a key is a piece of its item
    assert not [query for query in captured if '"workflows_item"."key"' in query["sql"]]
    item = run.items.get()
    for kind, key in (("input", run.pk), ("output", run.steps.get(position=0).pk), ("item", item.pk)):
        assert looking.get(payload_of(run, kind, key)).status_code == 403


def test_a_payload_is_loaded_alone_as_json_that_no_browser_takes_for_something_else(looking, viewer, owner):
    viewer.user_permissions.add(Permission.objects.get(codename="view_payloads"))
    run = make_run(owner, input={"name": SCRIPT}, steps=(StepState.COMPLETED,))
    add_items(run, 1)
    event = Entry.objects.get(stream_id=run.pk)
    step = run.steps.get(position=0)
    answers = {
        payload_of(run, "input", run.pk): run.input,
        payload_of(run, "output", step.pk): step.output,
        payload_of(run, "item", run.items.get().pk): {"text": "part 0"},
        payload_of(run, "event", event.pk): event.payload,
    }
    page = looking.get(page_of(run)).content.decode()
    for address, value in answers.items():
        assert f'href="{address}"' in page
        response = looking.get(address)
        assert json.loads(response.content) == value
        assert response["Content-Type"] == "application/json"
        assert response["X-Content-Type-Options"] == "nosniff"
        assert "no-store" in response["Cache-Control"]


def test_a_payload_is_reached_through_its_own_run_only(admin, owner):
    run, other = make_run(owner, steps=(StepState.COMPLETED,)), make_run(owner)
    key = run.steps.get(position=0).pk
    assert admin.get(payload_of(other, "output", key)).status_code == 404
    for kind, key in (("output", "x"), ("item", "no-number"), ("item", "9" * 30), ("secrets", run.pk)):
        assert admin.get(payload_of(run, kind, key)).status_code == 404
    pending = run.steps.get(position=2)
    assert admin.get(payload_of(run, "output", pending.pk)).status_code == 404  # there is none yet


def test_the_page_opens_beside_a_payload_of_fifty_megabytes(admin, owner):
    run = make_run(owner, steps=(StepState.COMPLETED,))
    run.steps.filter(position=0).update(output={"text": "x" * 50_000_000})
    response = admin.get(page_of(run))
    assert "47.7\xa0MB" in response.content.decode()
    assert len(response.content) < 100_000


def test_runs_are_shown_to_staff_with_the_permission_only(owner, db):
    run = make_run(owner)
    address = [LIST, page_of(run), reverse("admin:workflows_run_live", args=[run.pk])]
    nobody, clerk = Client(), Client()
    clerk.force_login(User.objects.create_user("clara", is_staff=True))
    signed_in = Client()
    signed_in.force_login(owner)
    for target in address:
        assert nobody.get(target).status_code == 302
        assert signed_in.get(target).status_code == 302
        assert clerk.get(target).status_code == 403


def test_nothing_is_added_changed_or_deleted_by_hand(admin, owner):
    run = make_run(owner, state=RunState.FAILED, steps=FAILED)
    base = f"{LIST}{run.pk}"
    assert admin.get(f"{LIST}add/").status_code == 403
    assert admin.post(f"{base}/delete/", {"post": "yes"}).status_code == 403
    admin.post(f"{base}/change/", {"state": "completed", "title": "Mine"})
    admin.post(LIST, {"action": "delete_selected", "_selected_action": [run.pk], "post": "yes"})
    run = Run.objects.get()
    assert (run.state, run.title) == (RunState.FAILED, "Order of a lamp")
    for model in ("workflows/auditentry", "outbox/stream"):
        assert admin.get(f"/admin/{model}/add/").status_code == 403


def test_an_address_that_names_no_run_is_absent(admin, owner):
    make_run(owner)
    for address in (f"{LIST}0198c2f0-0000-7000-8000-000000000000/change/", f"{LIST}nonsense/change/"):
        assert admin.get(address).status_code == 404


def test_the_history_of_a_run_is_its_audit_trail(admin, owner):
    run = make_run(owner)
    assert admin.get(f"{LIST}{run.pk}/history/")["Location"] == f"{page_of(run)}#audit"
