"""Share links: what whoever has one sees, for how long, and that nothing can be done with it."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from outbox.append import Message, append
from outbox.models import Audience
from tests.factories import NOW, make_run
from workflows.entrance.sharing import share
from workflows.models import AuditEntry, LinkScope, Run, Scope, ShareLink
from workflows.services.tokens import make_token
from workflows.states import RunState, StepState

pytestmark = pytest.mark.django_db(transaction=True)
VERBS = ("run-cancel", "run-retry", "run-rerun", "run-compensate")
PARTS = ("shared", "shared-events", "shared-items", "shared-result", "shared-page")


@pytest.fixture
def run(owner: User) -> Run:
    run = make_run(owner, state=RunState.COMPLETED, steps=(StepState.COMPLETED,) * 3, labels={"team": "blue"})
    said = {"template": "x", "params": {}, "text": "x"}
    with transaction.atomic():
        append(run.id, [Message(type="message", payload={**said, "text": "for all"})], now=NOW)
        append(run.id, [Message(type="item.committed", payload={"value": {"text": "a lamp"}})], now=NOW)
        for audience in (Audience.MEMBER, Audience.OPERATOR):
            secret = {**said, "text": f"for {audience}s"}
            append(run.id, [Message(type="message", payload=secret, audience=audience)], now=NOW)
    return run


@pytest.fixture
def sharing(owner: User) -> Client:
    browser = Client()
    browser.force_login(owner)
    return browser


def post(client: Client, run: Run, **body: Any) -> Any:
    return client.post(reverse("share-links", args=[run.pk]), body, content_type="application/json")


def link_to(run: Run, *scopes: str, **options: Any) -> str:
    return share(run.pk, by=run.owner, scopes=scopes, **options)[1]


def get(name: str, secret: str, **headers: str) -> Any:
    return Client().get(reverse(name, args=[secret]), headers=headers)


def test_an_owner_makes_a_link_that_a_stranger_opens_without_signing_in(sharing, run):
    answer = post(sharing, run)
    assert answer.status_code == 201
    assert answer["Cache-Control"] == "no-store"
    made = answer.json()
    assert made["scopes"] == ["progress"]
    secret = made["url"].rstrip("/").rpartition("/")[2]
    assert made["url"] == f"http://testserver/s/{secret}/"
    assert len(secret) == 43

    page = Client().get(made["url"])
    assert page.status_code == 200
    text = page.content.decode()
    assert run.title in text
    assert "noindex" in page["X-Robots-Tag"]
    assert "no-store" in page["Cache-Control"]
    snapshot = get("shared", secret).json()
    assert snapshot["id"] == str(run.pk)
    assert snapshot["allowed_actions"] == []
    assert {
        urlpart.partition("/s")[2].partition("/")[2].partition("/")[0]
        for urlpart in snapshot["links"].values()
    }


def test_its_page_and_snapshot_lead_to_nothing_but_the_link_itself(run):
    secret = link_to(run, "items", "result")
    snapshot = get("shared", secret).json()
    assert all(f"/{secret}" in address for address in snapshot["links"].values())
    for address in snapshot["links"].values():
        assert Client().get(address.removeprefix("http://testserver")).status_code == 200, address
    page = get("shared-page", secret).content.decode()
    assert str(reverse("run-page", args=[run.pk])) not in page
    assert "/ws/v1" not in page
    assert "<form" not in page.replace('<form class="refresh"', "")
    assert "All runs" not in page


def test_what_is_the_owners_business_stays_out_of_it(run):
    secret = link_to(run, "items", "result")
    snapshot = get("shared", secret).json()
    assert (snapshot["labels"], snapshot["usage"], snapshot["parent_run"]) == ({}, None, None)
    shown = [get(name, secret).content.decode() for name in ("shared-page", "shared-events")]
    for text in shown:
        assert "for all" in text
        assert "for members" not in text
        assert "for operators" not in text
        assert "team" not in text


@pytest.mark.parametrize("scopes", [(), ("items",), ("result",), ("items", "result")])
def test_items_and_result_are_shown_by_scope(run, scopes):
    secret = link_to(run, *scopes)
    assert get("shared-items", secret).status_code == (200 if "items" in scopes else 403)
    assert get("shared-result", secret).status_code == (200 if "result" in scopes else 403)
    assert ("a lamp" in get("shared-events", secret).content.decode()) == ("items" in scopes)
    page = get("shared-page", secret).content.decode()
    assert ("does not show its result" in page) == ("result" not in scopes)
    assert (reverse("shared-result", args=[secret]) in page.replace("snapshot", "")) or "result" not in scopes


@pytest.mark.parametrize("end", ["revoked", "expired", "maker gone", "another secret", "erased"])
def test_a_link_that_has_ended_opens_nothing(sharing, run, end):
    made = post(sharing, run, scopes=["items", "result"]).json()
    secret = made["url"].rstrip("/").rpartition("/")[2]
    if end == "revoked":
        address = reverse("share-link", args=[run.pk, made["id"]])
        assert sharing.delete(address).status_code == 204
        assert sharing.delete(address).status_code == 204
        assert sharing.get(reverse("share-links", args=[run.pk])).json() == {"share_links": []}
    elif end == "expired":
        ShareLink.objects.update(expires_at=timezone.now())
    elif end == "maker gone":
        User.objects.update(is_active=False)
    elif end == "erased":
        run.delete()
    else:
        secret = f"{secret[:-2]}--"
    for name in PARTS:
        answer = get(name, secret)
        assert answer.status_code == 404, name
        if name != "shared-page":
            assert answer.json()["code"] == "not-found"


def test_nothing_can_be_done_with_a_link(sharing, run):
    live = make_run(run.owner)
    secret = link_to(live, "items", "result")
    guest = Client()
    for name in PARTS:
        for method in (guest.post, guest.put, guest.patch, guest.delete):
            assert method(reverse(name, args=[secret])).status_code == 405, name
    bearer = Client(headers={"Authorization": f"Bearer {secret}"})
    for name in VERBS:
        assert bearer.post(reverse(name, args=[live.pk])).status_code == 401
    assert bearer.get(reverse("run", args=[live.pk])).status_code == 401
    assert Run.objects.get(pk=live.pk).state == RunState.RUNNING


def test_a_link_opens_its_own_run_alone_whoever_is_signed_in_beside_it(run, operator):
    make_run(run.owner)
    secret = link_to(run)
    browser = Client()
    browser.force_login(operator)
    snapshot = browser.get(reverse("shared", args=[secret])).json()
    assert (snapshot["id"], snapshot["allowed_actions"]) == (str(run.pk), [])
    assert browser.get(reverse("shared-items", args=[secret])).status_code == 403
    assert "for operators" not in browser.get(reverse("shared-events", args=[secret])).content.decode()


def test_links_are_listed_without_their_secrets(sharing, run):
    secret = link_to(run, "items")
    link_to(run)
    text = sharing.get(reverse("share-links", args=[run.pk])).content.decode()
    rows = json.loads(text)["share_links"]
    assert [row["scopes"] for row in rows] == [["progress"], ["items", "progress"]]
    assert secret not in text
    assert not any(secret[start : start + 10] in str(ShareLink.objects.values()) for start in range(33))


def test_who_may_share(run, stranger, sharing):
    assert post(Client(), run).status_code == 401
    foreign = Client()
    foreign.force_login(stranger)
    assert post(foreign, run).status_code == 404
    staff = User.objects.create_user("stefan", is_staff=True)
    foreign.force_login(staff)
    assert post(foreign, run).status_code == 403
    assert foreign.get(reverse("share-links", args=[run.pk])).status_code == 403
    staff.user_permissions.add(Permission.objects.get(codename="share_run"))
    assert post(foreign, run).status_code == 201
    assert post(foreign, run, scopes=["items"]).status_code == 403  # they may not see them either
    for scopes, status in ((["read"], 403), (["act"], 201)):
        secret = make_token(run.owner, name="a program", scopes=scopes)[1]
        program = Client(headers={"Authorization": f"Bearer {secret}"})
        assert post(program, run).status_code == status
        assert post(program, run, scopes=["result"]).status_code == 403
    secret = make_token(run.owner, name="a program", scopes=[Scope.ACT, Scope.PAYLOADS])[1]
    program = Client(headers={"Authorization": f"Bearer {secret}"})
    assert post(program, run, scopes=["result"]).status_code == 201


@pytest.mark.parametrize(
    "body",
    [
        {"scopes": ["secrets"]},
        {"expires_at": "2020-01-01T00:00:00Z"},
        {"expires_at": "2999-01-01T00:00:00Z"},
        {"x": 1},
    ],
)
def test_what_does_not_fit_is_refused_with_a_pointer(sharing, run, body):
    answer = post(sharing, run, **body)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == f"/{next(iter(body))}" + (
        "/0" if "scopes" in body else ""
    )


def test_a_run_has_no_more_links_than_the_setting_says(sharing, run, settings):
    settings.LONGHAUL = {**settings.LONGHAUL, "SHARE_LINKS_MAX": "2"}
    assert [post(sharing, run).status_code for _ in range(3)] == [201, 201, 400]
    ShareLink.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert post(sharing, run).status_code == 201


def test_the_audit_trail_says_who_shared_and_why(sharing, run):
    made = post(sharing, run, reason="for the buyer").json()
    sharing.delete(reverse("share-link", args=[run.pk, made["id"]]))
    entries = AuditEntry.objects.filter(run=run).order_by("pk")
    assert [(entry.action, entry.reason, entry.actor.username) for entry in entries] == [
        ("share", "for the buyer", "anna"),
        ("unshare", "", "anna"),
    ]


def test_every_scope_of_a_link_is_of_how_it_went_or_what_came_of_it():
    assert set(LinkScope.values) == {"progress", "items", "result"}
    assert not set(LinkScope.values) & set(Scope.values)
