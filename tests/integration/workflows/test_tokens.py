"""API tokens: what one opens, for how long, and that it never does more than its owner may."""

from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from outbox.append import Message, append
from tests.factories import NOW, make_run
from workflows.models import ApiToken, Scope
from workflows.services.tokens import make_token, revoke_tokens
from workflows.states import RunState, StepState

pytestmark = pytest.mark.django_db(transaction=True)  # the log is read on threads of its own


def calling(secret: str) -> Client:
    return Client(headers={"Authorization": f"Bearer {secret}"})


def make(owner: User, *scopes: str, **options: object) -> Client:
    return calling(make_token(owner, name="a program", scopes=scopes or ["read"], **options)[1])


@pytest.fixture
def run(owner):
    return make_run(owner, state=RunState.COMPLETED, steps=(StepState.COMPLETED,) * 3)


def test_a_token_opens_what_is_its_owners_and_nothing_of_others(owner, stranger, run):
    foreign = make_run(stranger)
    caller = make(owner)

    assert caller.get(reverse("run", args=[run.pk])).status_code == 200
    assert [row["id"] for row in caller.get(reverse("runs")).json()["runs"]] == [str(run.pk)]
    for name in ("run", "run-events", "run-items"):
        assert caller.get(reverse(name, args=[foreign.pk])).status_code == 404, name


def test_of_the_secret_only_the_hash_is_kept(owner):
    token, secret = make_token(owner, name="billing")
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM workflows_apitoken")
        row = " ".join(map(str, cursor.fetchone()))
    assert secret not in row
    assert secret.startswith(token.prefix)
    assert len(secret) - len(token.prefix) >= 32
    assert not any(secret[start : start + 10] in row for start in range(len(secret) - 9))


@pytest.mark.parametrize(
    "end", ["revoked", "expired", "owner gone", "removed", "another secret", "not ASCII"]
)
def test_a_token_that_has_ended_is_refused_with_a_challenge(owner, run, end):
    token, secret = make_token(owner, name="billing", expires_at=timezone.now() + timedelta(hours=1))
    if end == "revoked":
        revoke_tokens([token.pk])
    elif end == "expired":
        ApiToken.objects.update(expires_at=timezone.now())
    elif end == "owner gone":
        User.objects.update(is_active=False)
    elif end == "removed":
        token.delete()
    else:
        secret = secret[:-1] + ("ü" if end == "not ASCII" else "-" if secret[-1] != "-" else "_")
    for name in ("run", "run-events"):
        answer = calling(secret).get(reverse(name, args=[run.pk]))
        assert answer.status_code == 401, name
        assert answer["WWW-Authenticate"].startswith("Bearer ")
        assert answer.json()["code"] == "not-authenticated"


@pytest.mark.parametrize("scope", Scope.values)
def test_each_request_takes_its_scope(owner, scope):
    owner.user_permissions.set(Permission.objects.filter(content_type__app_label="workflows"))
    done = make_run(owner, state=RunState.COMPLETED, steps=(StepState.COMPLETED,) * 3)
    live = make_run(owner)
    caller = make(owner, scope)
    answers = {
        "read": [caller.get(reverse(name, args=[done.pk])) for name in ("run", "run-steps", "run-events")],
        "start": [caller.post(reverse("runs"), {}, content_type="application/json")],
        "act": [
            caller.post(reverse("run-cancel", args=[live.pk])),
            caller.delete(reverse("run", args=[live.pk])),
        ],
    }
    for needed, given in answers.items():
        for answer in given:
            assert (answer.status_code == 403) == (needed != scope), (needed, answer.content)
            if answer.status_code == 403:
                assert answer.json()["required_scope"] == needed
    both = make(owner, "read", scope)
    for name in ("run-items", "run-result"):
        assert both.get(reverse(name, args=[done.pk])).status_code == (200 if scope == "payloads" else 403)
    actions = both.get(reverse("run", args=[done.pk])).json()["allowed_actions"]
    assert bool(actions) == (scope == "act")


def test_a_token_adds_no_right_that_its_owner_lacks(owner, stranger, run):
    caller = make(owner, *Scope.values)
    assert caller.post(reverse("run-compensate", args=[run.pk])).status_code == 403
    assert caller.post(reverse("runs"), {}, content_type="application/json").status_code == 403
    assert make(stranger, *Scope.values).post(reverse("run-cancel", args=[run.pk])).status_code == 404


def test_a_token_goes_before_a_session_and_needs_no_csrf_token(owner, stranger):
    live = make_run(owner)
    secret = make_token(owner, name="billing", scopes=["act"])[1]
    browser = Client(enforce_csrf_checks=True, headers={"Authorization": f"Bearer {secret}"})
    browser.force_login(stranger)

    assert browser.post(reverse("run-cancel", args=[live.pk])).status_code == 202


def test_items_in_the_log_are_for_tokens_with_their_scope(owner):
    run = make_run(owner)
    with transaction.atomic():
        append(run.id, [Message(type="item.committed", payload={"value": {"text": "a lamp"}})], now=NOW)
    for scopes, is_shown in ((["read"], False), (["read", "payloads"], True)):
        text = make(owner, *scopes).get(reverse("run-events", args=[run.pk])).content.decode()
        assert ("a lamp" in text) == is_shown


def test_that_it_was_used_is_noted_once_a_minute(owner, run):
    caller = make(owner)
    address = reverse("run", args=[run.pk])
    assert ApiToken.objects.get().last_used_at is None
    caller.get(address)
    first = ApiToken.objects.get().last_used_at
    caller.get(address)
    assert ApiToken.objects.get().last_used_at == first
    ApiToken.objects.update(last_used_at=first - timedelta(minutes=1))
    caller.get(address)
    assert ApiToken.objects.get().last_used_at >= first


def test_a_shell_makes_lists_and_revokes_tokens(owner, run):
    out, err = StringIO(), StringIO()
    call_command(
        "tokens",
        "make",
        "billing",
        "--for",
        "anna",
        "--scope",
        "read",
        "--days",
        "30",
        stdout=out,
        stderr=err,
    )
    secret = out.getvalue().strip()
    assert secret.startswith("lh_")
    assert secret not in err.getvalue()
    assert calling(secret).get(reverse("run", args=[run.pk])).status_code == 200

    out = StringIO()
    call_command("tokens", "list", stdout=out)
    assert "billing" in out.getvalue()
    assert secret not in out.getvalue()

    call_command("tokens", "revoke", ApiToken.objects.get().prefix, stdout=StringIO())
    assert calling(secret).get(reverse("run", args=[run.pk])).status_code == 401
    out = StringIO()
    call_command("tokens", "list", stdout=out)
    assert not out.getvalue()
    with pytest.raises(CommandError, match="no one token"):
        call_command("tokens", "revoke", "lh_nobody", stdout=StringIO())


ADD = reverse("admin:workflows_apitoken_add")
LIST = reverse("admin:workflows_apitoken_changelist")


def test_the_admin_shows_a_secret_once_and_revokes(operator, owner, run):
    admin = Client()
    admin.force_login(operator)
    fields = {
        "owner": owner.pk,
        "name": "billing",
        "scopes": ["read"],
        "expires_at_0": "",
        "expires_at_1": "",
    }
    answer = admin.post(ADD, fields)
    secret = answer.context["secret"]
    assert "no-store" in answer["Cache-Control"]
    assert secret in answer.content.decode()
    assert secret not in str(answer.cookies)
    assert calling(secret).get(reverse("run", args=[run.pk])).status_code == 200
    token = ApiToken.objects.get()
    assert secret not in admin.get(LIST).content.decode()
    assert (
        secret not in admin.get(reverse("admin:workflows_apitoken_change", args=[token.pk])).content.decode()
    )

    admin.post(LIST, {"action": "revoke", "_selected_action": [token.pk]})
    assert calling(secret).get(reverse("run", args=[run.pk])).status_code == 401


def test_staff_make_tokens_for_themselves_alone(operator):
    staff = User.objects.create_user("stefan", is_staff=True)
    staff.user_permissions.set(Permission.objects.filter(codename__in=["add_apitoken", "view_apitoken"]))
    theirs, _ = make_token(operator, name="of the operator")
    admin = Client()
    admin.force_login(staff)

    fields = {
        "owner": operator.pk,
        "name": "mine",
        "scopes": ["read"],
        "expires_at_0": "",
        "expires_at_1": "",
    }
    assert admin.post(ADD, fields).status_code == 200
    assert ApiToken.objects.get(name="mine").owner == staff
    page = admin.get(LIST).content.decode()
    assert "mine" in page
    assert "of the operator" not in page
    admin.post(LIST, {"action": "revoke", "_selected_action": [theirs.pk]})
    theirs.refresh_from_db()
    assert theirs.revoked_at is None
