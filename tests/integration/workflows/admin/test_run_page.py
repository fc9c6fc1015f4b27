"""One run: what its page shows, and at what cost."""

import re

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from outbox.models import Entry, Stream
from tests.factories import NOW, make_run
from tests.integration.workflows.admin.scenes import FAILED, LIST, SCRIPT, add_items, ask_of, page_of
from workflows.models import Attempt, AuditEntry, Run
from workflows.states import AttemptState, RunState, StepState

pytestmark = pytest.mark.django_db


def test_the_page_shows_steps_attempts_items_events_audit_and_outbox(admin, owner, operator):
    run = make_run(owner, state=RunState.FAILED, steps=FAILED, labels={"customer": "acme"})
    add_items(run, 2)
    Attempt.objects.filter(step__name="charge").update(
        error={"code": "closed", "detail": "Shut.", "retryable": True, "error_class": "ShopClosed"},
        usage={
            "tokens_in": 120,
            "tokens_out": 30,
            "tokens_cached": 8,
            "cost": 0.000042,
            "calls": 2,
            "model": "gpt-4.1-mini",
            "finish_reason": "length",
            "first_token_seconds": 1.24,
            "first_item_seconds": 2.0,
            "last_item_seconds": 31.06,
            "is_estimated": True,
        },
    )
    AuditEntry.objects.create(
        run_ref=run.pk,
        run=run,
        actor=operator,
        action="retry",
        reason="mended",
        before="failed",
        after="running",
        created_at=NOW,
    )
    Stream.objects.filter(key=run.id).update(published=1)
    text = admin.get(page_of(run)).content.decode()
    for said in (
        "Reserving", "list_parts", "another-host/1:1:1.00", "ShopClosed", "Shut.", "120 in, 30 out",
        "0.000042 USD", "about 120, 30", "8 cached", "gpt-4.1-mini <code>length</code>", "2 calls",
        "first word 1.2 s", "items 2.0 to 31.1 s",
        "customer: acme", "mended", "failed → running", "Published 1 of 2 events", "1 still to publish",
        "Done and kept: Reserving, Listing", str(run.pk)[-8:], "a retry may help",
    ):  # fmt: skip
        assert said in text, said


def test_what_was_used_before_there_were_prices_is_shown_without_a_cost(admin, owner):
    run = make_run(owner, steps=FAILED)
    Attempt.objects.filter(step__name="charge").update(usage={"tokens_in": 120, "tokens_out": 30})
    text = admin.get(page_of(run)).content.decode()
    assert "<td>120, 30<div" in text
    assert "unknown: a model has no price" in text
    assert "None" not in text.partition('id="attempts"')[2].partition("</section>")[0]


def test_the_page_reads_the_same_number_of_queries_whatever_the_run_has_done(admin, owner):
    def queries(run: Run) -> list[str]:
        with CaptureQueriesContext(connection) as captured:
            assert admin.get(page_of(run)).status_code == 200
        return [query["sql"] for query in captured]

    small = make_run(owner, steps=(StepState.COMPLETED,))
    large = make_run(owner, state=RunState.FAILED, steps=FAILED)
    add_items(large, 120)
    few, many = queries(small), queries(large)
    assert len(few) == len(many)
    asked = re.sub(r"(octet_length\(\(|length\(CAST\()\S+", "", " ".join(many))
    for column in ("run.input", "step.output", "item.data", "entry.payload", "run.plan"):
        table, name = column.split(".")
        assert f'{table}"."{name}"' not in asked


def test_logs_are_paged_by_seq_so_that_nothing_moves_while_one_reads(admin, owner):
    run = make_run(owner, steps=(StepState.COMPLETED, StepState.RUNNING))
    add_items(run, 120)
    first = admin.get(page_of(run)).context
    assert [row["entry"].seq for row in first["events"]["rows"]][:2] == [120, 119]
    older = admin.get(page_of(run) + first["events"]["older"]).context
    assert older["events"]["rows"][0]["entry"].seq == 70
    assert older["items"]["rows"][0]["item"].seq == 120  # the other log stays where it was
    last = admin.get(page_of(run), {"events_before": "21", "items_before": "no number"}).context
    assert (last["events"]["older"], len(last["events"]["rows"])) == ("", 20)


def test_the_live_part_is_the_page_without_its_frame(admin, owner):
    run = make_run(owner, steps=(StepState.RUNNING,))
    address = reverse("admin:workflows_run_live", args=[run.pk])
    text = admin.get(address).content.decode()
    assert "<html" not in text
    for section in ("lh-head", "steps", "attempts", "items", "events", "audit", "outbox"):
        assert f'<section id="{section}"' in text
    page = admin.get(page_of(run)).content.decode()
    assert f'data-fragment="{address}"' in page
    assert 'data-seq="0"' in page


def test_without_javascript_there_is_a_refresh_link(admin, owner):
    run = make_run(owner)
    text = admin.get(page_of(run), {"events_before": "9"}).content.decode()
    assert f'href="{page_of(run)}?events_before=9">Refresh</a>' in text
    assert re.search(r"As of \d\d:\d\d:\d\d UTC", text)


def test_nothing_needs_a_looser_content_security_policy(admin, owner):
    run = make_run(owner, state=RunState.FAILED, steps=FAILED)
    add_items(run, 1)
    ask = ask_of(run, "undo")
    for address in (page_of(run), ask):
        text = admin.get(address).content.decode()
        assert not re.search(r"<[^>]+\sstyle=", text)
        assert not re.search(r"<[^>]+\son\w+=", text)
        assert not re.search(r"<script(?![^>]*\bsrc=)", text)


def test_every_state_has_an_icon(admin, owner):
    run = make_run(owner)
    icons = set(re.findall(r'<symbol id="icon-(\w+)"', admin.get(page_of(run)).content.decode()))
    assert {*RunState.values, *StepState.values, *AttemptState.values} <= icons


def test_flower_is_linked_where_there_is_one(admin, owner, settings):
    run = make_run(owner)
    assert "Flower" not in admin.get(page_of(run)).content.decode()
    settings.FLOWER_URL = "http://127.0.0.1:5555"
    assert 'href="http://127.0.0.1:5555"' in admin.get(page_of(run)).content.decode()


def test_what_data_can_fill_is_escaped_everywhere(admin, owner, operator):
    run = make_run(
        owner, title=SCRIPT, state=RunState.FAILED, steps=FAILED, labels={SCRIPT: SCRIPT},
        error={"code": SCRIPT, "detail": SCRIPT, "retryable": True, "error_class": SCRIPT},
    )  # fmt: skip
    add_items(run, 1)
    run.steps.update(state_info={"template": SCRIPT, "params": {}}, title=SCRIPT, error={"detail": SCRIPT})
    run.items.update(key=SCRIPT, type=SCRIPT)
    Attempt.objects.update(worker=SCRIPT, error={"code": SCRIPT, "detail": SCRIPT, "error_class": SCRIPT})
    Entry.objects.update(type=SCRIPT, headers={"step": SCRIPT, "attempt": SCRIPT})
    User.objects.filter(pk=owner.pk).update(username=SCRIPT)
    entry = AuditEntry.objects.create(
        run_ref=run.pk,
        run=run,
        actor=operator,
        action=SCRIPT,
        reason=SCRIPT,
        before="failed",
        after="running",
        created_at=NOW,
    )
    asks = [ask_of(run, slug) for slug in ("retry", "undo")]
    audit = reverse("admin:workflows_auditentry_change", args=[entry.pk])
    lists = [LIST, "/admin/workflows/auditentry/", "/admin/outbox/stream/"]
    for address in (*lists, page_of(run), audit, *asks):
        response = admin.get(address)
        assert response.status_code == 200, address
        assert SCRIPT not in response.content.decode(), address
