"""Webhooks in the admin: the secret is shown once, addresses are judged, and each thing takes its permission."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from outbox.models import Delivery, DeliveryState, Inbox, Webhook
from outbox.webhooks import registering
from tests.integration.outbox.webhooks.conftest import make_delivery, make_webhook
from workflows.admin import webhooks

pytestmark = pytest.mark.django_db

URL = "https://hooks.example.com/in"
ADD = "/admin/outbox/webhook/add/"
LIST = "/admin/outbox/webhook/"
DELIVERIES = "/admin/outbox/delivery/"
FILLED = {"url": URL, "description": "Billing", "types": '["run.*"]', "audience": "member", "is_active": "on"}


@pytest.fixture(autouse=True)
def names(monkeypatch: Any) -> dict[str, list[str]]:
    """What the name service says; it must not be asked while a transaction is open."""
    known = {"hooks.example.com": ["93.184.215.14"], "inward.example.com": ["10.0.0.1"]}

    def resolve(host: str, port: int) -> list[str]:
        if host not in known:
            raise OSError(-2, "Name or service not known")
        return known[host]

    def check(url: str) -> None:
        registering.check_url(url, resolve=resolve)

    monkeypatch.setattr(webhooks, "check_url", check)
    return known


def change_of(webhook: Webhook) -> str:
    return reverse("admin:outbox_webhook_change", args=[webhook.pk])


def rotate_of(webhook: Webhook) -> str:
    return reverse("admin:outbox_webhook_rotate", args=[webhook.pk])


def test_the_secret_of_a_new_webhook_is_shown_once_and_never_again(admin):
    shown = admin.post(ADD, FILLED)
    webhook = Webhook.objects.get()
    assert webhook.secret in shown.content.decode()
    assert "no-store" in shown["Cache-Control"]
    assert not admin.cookies.get("messages"), "a message would carry the secret in a cookie"
    assert (webhook.types, webhook.created_by) == (["run.*"], "olga")
    for address in (change_of(webhook), LIST, f"{change_of(webhook).removesuffix('change/')}history/"):
        page = admin.get(address)
        assert page.status_code == 200
        assert webhook.secret.removeprefix("whsec_") not in page.content.decode()
    assert webhook.secret not in repr(list(LogEntry.objects.values()))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://hooks.example.com/", "begins with https"),
        ("https://inward.example.com/", "no address of the internet"),
        ("https://nowhere.example.com/", "is not found"),
        ("https://169.254.169.254@hooks.example.com/", "with a user"),
        ("", "required"),
    ],
)
def test_an_address_that_webhooks_must_not_go_to_is_refused_where_it_was_written(admin, url, said):
    page = admin.post(ADD, {**FILLED, "url": url})
    assert said in page.content.decode()
    assert not Webhook.objects.exists()


@pytest.mark.parametrize("types", ['"run.completed"', '{"a": 1}', "[1]", "run.completed"])
def test_event_types_that_are_no_list_are_refused(admin, types):
    assert admin.post(ADD, {**FILLED, "types": types}).status_code == 200
    assert not Webhook.objects.exists()


@pytest.mark.parametrize("types", ['["*"]', '["step*"]', '[".*"]', '["*.failed"]'])
def test_event_types_that_match_nothing_are_refused_with_a_sentence(admin, types):
    assert "matches nothing" in admin.post(ADD, {**FILLED, "types": types}).content.decode()
    assert not Webhook.objects.exists()


def test_the_consumer_begins_when_the_first_webhook_is_saved(admin):
    admin.post(ADD, FILLED)
    begins = Inbox.objects.get(consumer="webhooks", stream=Inbox.NO_STREAM)
    assert begins.seq == int(Webhook.objects.get().created_at.timestamp() * 1_000)


@pytest.mark.django_db(transaction=True)
def test_the_name_service_is_not_asked_inside_a_transaction(admin, monkeypatch):
    asked = []
    monkeypatch.setattr(webhooks, "check_url", lambda url: asked.append(connection.in_atomic_block))
    admin.post(ADD, FILLED)
    assert asked == [False]


def test_a_webhook_whose_name_is_gone_can_still_be_switched_off(admin, names):
    webhook = make_webhook(URL)
    names.clear()
    admin.post(change_of(webhook), {"url": URL, "types": "[]", "audience": "member"})
    webhook.refresh_from_db()
    assert not webhook.is_active


def test_switching_a_disabled_webhook_on_gives_it_a_clean_record(admin):
    now = timezone.now()
    webhook = make_webhook(
        URL, is_active=False, failures=9, failing_since=now, disabled_at=now, disabled_because="it failed"
    )
    assert "switched off: it failed" in admin.get(LIST).content.decode()
    admin.post(change_of(webhook), {**FILLED, "types": "[]"})
    webhook.refresh_from_db()
    assert (webhook.is_active, webhook.failures, webhook.disabled_at, webhook.disabled_because) == (
        True,
        0,
        None,
        "",
    )


def test_saving_a_page_that_was_opened_before_does_not_bring_an_old_secret_back(admin):
    webhook = make_webhook(URL)
    admin.get(change_of(webhook))
    new = admin.post(rotate_of(webhook))
    admin.post(change_of(webhook), {**FILLED, "description": "Another name", "types": "[]"})
    former = webhook.secret
    webhook.refresh_from_db()
    assert (webhook.description, webhook.previous_secret) == ("Another name", former)
    assert webhook.secret in new.content.decode()


def test_replacing_the_secret_asks_first_shows_the_new_one_once_and_is_noted(admin):
    webhook = make_webhook(URL)
    asked = admin.get(rotate_of(webhook)).content.decode()
    assert "Replace the secret" in asked
    former = webhook.secret
    shown = admin.post(rotate_of(webhook)).content.decode()
    webhook.refresh_from_db()
    assert webhook.secret in shown
    assert former not in shown + asked
    assert webhook.previous_secret == former
    assert webhook.previous_until > timezone.now() + timedelta(hours=23)
    entry = LogEntry.objects.get()
    assert (entry.user.username, entry.change_message) == ("olga", "Replaced the secret.")


@pytest.fixture
def failed() -> Delivery:
    delivery = make_delivery(make_webhook(URL, description="Billing"))
    Delivery.objects.update(
        state=DeliveryState.FAILED,
        due_at=None,
        finished_at=timezone.now(),
        last_status=500,
        last_error="answered 500",
    )
    return delivery


def again(client: Any, delivery: Delivery) -> Any:
    return client.post(DELIVERIES, {"action": "send_again", "_selected_action": [delivery.pk]}, follow=True)


def test_a_delivery_that_was_given_up_can_be_sent_again(admin, failed):
    listed = admin.get(DELIVERIES).content.decode()
    assert "answered 500" in listed
    assert "Billing" in listed
    assert "1 in line again" in again(admin, failed).content.decode()
    failed.refresh_from_db()
    assert (failed.state, failed.tries, failed.last_error) == (DeliveryState.PENDING, 0, "")
    assert LogEntry.objects.get().change_message == "Sent again."


def test_deliveries_are_looked_at_not_changed(admin, failed):
    page = f"{DELIVERIES}{failed.pk}/change/"
    assert "Umlauten" in admin.get(page).content.decode()
    assert admin.post(page, {"state": "delivered"}).status_code == 403
    assert admin.get(f"{DELIVERIES}add/").status_code == 403
    assert admin.get(f"{DELIVERIES}{failed.pk}/delete/").status_code == 403


def grant(viewer: Any, *codenames: str) -> None:
    viewer.user_permissions.add(*Permission.objects.filter(codename__in=codenames))


def test_without_permissions_nothing_is_to_be_had(looking, failed):
    for address in (LIST, ADD, DELIVERIES, change_of(failed.webhook), rotate_of(failed.webhook)):
        assert looking.get(address).status_code == 403
    assert looking.post(rotate_of(failed.webhook)).status_code == 403


def test_who_may_only_look_can_neither_change_nor_replace_nor_send_again(looking, viewer, failed):
    grant(viewer, "view_webhook", "view_delivery")
    secret = failed.webhook.secret
    assert looking.get(change_of(failed.webhook)).status_code == 200
    assert looking.post(rotate_of(failed.webhook)).status_code == 403
    assert looking.post(change_of(failed.webhook), FILLED).status_code == 403
    again(looking, failed)
    failed.refresh_from_db()
    assert (failed.state, failed.webhook.secret) == (DeliveryState.FAILED, secret)


def test_the_body_of_a_delivery_takes_the_right_for_payloads(looking, viewer, failed):
    grant(viewer, "view_delivery")
    page = f"{DELIVERIES}{failed.pk}/change/"
    assert "Umlauten" not in looking.get(page).content.decode()
    grant(viewer, "view_payloads")
    viewer = type(viewer).objects.get(pk=viewer.pk)
    looking.force_login(viewer)
    assert "Umlauten" in looking.get(page).content.decode()


def test_who_may_send_again_needs_only_that(looking, viewer, failed):
    grant(viewer, "view_delivery", "resend_delivery")
    again(looking, failed)
    failed.refresh_from_db()
    assert failed.state == DeliveryState.PENDING


def test_deleting_a_webhook_counts_its_deliveries_and_takes_them_along(admin, failed):
    page = change_of(failed.webhook).replace("/change/", "/delete/")
    assert "Deliveries: 1" in admin.get(page).content.decode()
    admin.post(page, {"post": "yes"})
    assert not Webhook.objects.exists()
    assert not Delivery.objects.exists()
