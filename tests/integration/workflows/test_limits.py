"""How much one caller may ask for, what is said then, and that a Redis that is away stops nobody."""

import base64
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from redis import Redis

from tests.factories import make_run
from tests.flows import ordering
from workflows.entrance import counting
from workflows.entrance.counting import Limit, look, spend
from workflows.services.tokens import make_token

pytestmark = pytest.mark.django_db(transaction=True)
LOGIN = reverse("login")
ADMIN_LOGIN = reverse("admin:login")
ANALYSIS = reverse("start-analysis")
HTML = {"Accept": "text/html"}


@pytest.fixture(autouse=True)
def _no_rest() -> Iterator[None]:
    counting.breaker.reset()
    yield
    counting.breaker.reset()


@pytest.fixture
def limits(settings: Any) -> Callable[..., None]:
    def change(**values: Any) -> None:
        settings.LONGHAUL = {**settings.LONGHAUL, **{name: str(value) for name, value in values.items()}}

    return change


@pytest.fixture
def caller(owner: User) -> Client:
    owner.user_permissions.add(Permission.objects.get(codename="start_run"))
    browser = Client()
    browser.force_login(owner)
    return browser


def start(client: Client) -> Any:
    body = {"workflow": ordering.name, "input": {}}
    return client.post(reverse("runs"), body, content_type="application/json")


def upload(client: Client, address: str, **headers: str) -> Any:
    return client.post(address, {"file": SimpleUploadedFile("a.txt", b"")}, headers=headers)


def is_too_often(answer: Any) -> bool:
    if answer.status_code != 429:
        return False
    assert 1 <= int(answer["Retry-After"]) <= 300
    return True


def test_a_window_begins_with_the_first_one_and_ends_by_itself(redis_client: Redis) -> None:
    limit = Limit(what="test", most=2, seconds=60)
    assert look(limit, "anna") is None
    assert [spend(limit, "anna") is None for _ in range(3)] == [True, True, False]
    assert 59 <= (look(limit, "anna") or 0) <= 60
    assert spend(limit, "bert") is None
    (name,) = [key for key in redis_client.keys("lh-limit:*") if int(redis_client.get(key) or 0) == 3]
    assert b"anna" not in name
    redis_client.pexpire(name, 1)
    while redis_client.exists(name):
        pass
    assert spend(limit, "anna") is None


def test_starts_of_one_caller_are_counted_over_all_their_ways_in(
    redis_client, limits, caller, owner, operator
):
    limits(STARTS_PER_MINUTE=2)
    program = Client(headers={"Authorization": f"Bearer {make_token(owner, name='a', scopes=['start'])[1]}"})
    assert start(caller).status_code == 202
    assert start(program).status_code == 202
    run = make_run(owner)
    for answer in (start(caller), start(program), caller.post(reverse("run-rerun", args=[run.pk]))):
        assert is_too_often(answer) or answer.status_code == 403
    answer = start(caller)
    assert answer.json()["code"] == "rate-limited"
    assert answer["Content-Type"] == "application/problem+json"
    assert caller.get(reverse("runs")).status_code == 200
    other = Client()
    other.force_login(operator)
    assert start(other).status_code == 202


def test_uploads_are_counted_by_form_and_api_together(redis_client, limits, caller):
    limits(UPLOADS_PER_MINUTE=2)
    assert upload(caller, ANALYSIS).status_code == 422
    assert upload(caller, reverse("home")).status_code == 422
    assert is_too_often(upload(caller, ANALYSIS))
    answer = upload(caller, reverse("home"), **HTML)
    assert is_too_often(answer)
    assert "Too much at once" in answer.content.decode()
    assert caller.get(reverse("home")).status_code == 200


def basic(name: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def sign_in(way: str, name: str, password: str, *, address: str = "10.0.0.1") -> int:
    """The status; 302 is in."""
    client = Client(REMOTE_ADDR=address)
    if way == "basic":
        return client.get(reverse("runs"), headers=basic(name, password)).status_code
    if way == "log":
        run = make_run(User.objects.get(username="anna"))
        address_of_log = reverse("run-events", args=[run.pk])
        return client.get(address_of_log, headers=basic(name, password)).status_code
    page = LOGIN if way == "page" else ADMIN_LOGIN
    return client.post(page, {"username": name, "password": password}, headers=HTML).status_code


@pytest.mark.parametrize("way", ["basic", "page", "admin"])
def test_who_fails_too_often_waits_even_with_the_right_password(redis_client, limits, operator, owner, way):
    limits(FAILED_LOGINS_MAX=3)
    for _ in range(3):
        assert sign_in(way, "olga", "wrong") == (401 if way == "basic" else 200)
    for other in ("basic", "page", "admin"):
        assert sign_in(other, "olga", "olga-password") == 429
        assert sign_in(other, "OLGA", "olga-password") == 429
    welcome = 200 if way == "basic" else 302
    assert (
        sign_in(way, "olga", "olga-password", address="10.0.0.2") == welcome
    )  # nobody is locked out from afar
    if way != "admin":
        assert sign_in(way, "anna", "anna-password") == welcome


def test_one_address_cannot_try_all_names(redis_client, limits, owner):
    limits(FAILED_LOGINS_MAX=2, FAILED_LOGINS_ADDRESS_FACTOR=2)
    for number in range(4):
        assert sign_in("page", f"name{number}", "wrong") == 200
    assert sign_in("page", "anna", "anna-password") == 429
    assert sign_in("page", "anna", "anna-password", address="10.0.0.2") == 302


def test_right_passwords_are_not_counted(redis_client, limits, owner):
    limits(FAILED_LOGINS_MAX=1)
    assert {sign_in("basic", "anna", "anna-password") for _ in range(5)} == {200}


def test_the_log_of_a_run_is_no_way_around(redis_client, limits, owner):
    limits(FAILED_LOGINS_MAX=1)
    assert sign_in("log", "anna", "wrong") == 401
    assert sign_in("log", "anna", "anna-password") == 429


def test_while_redis_is_away_all_are_let_through_and_it_is_said(limits, caller, monkeypatch, caplog):
    limits(STARTS_PER_MINUTE=1, FAILED_LOGINS_MAX=1)
    monkeypatch.setattr("workflows.entrance.counting.client", lambda **_: Redis(port=1, socket_timeout=0.1))
    with caplog.at_level(logging.WARNING, logger="workflows.entrance.counting"):
        assert [start(caller).status_code for _ in range(3)] == [202, 202, 202]
    assert [record.what for record in caplog.records] == ["start"]  # once, and then not for a while
    assert sign_in("page", "anna", "wrong") == 200
    assert sign_in("page", "anna", "anna-password") == 302


def test_zero_is_no_limit(redis_client, limits, caller):
    limits(STARTS_PER_MINUTE=0)
    assert {start(caller).status_code for _ in range(3)} == {202}
    assert not redis_client.keys("lh-limit:*")
