import pytest
from django.contrib.auth.models import User

from config.people import ensure_people

ENVIRONMENT = {"ADMIN_PASSWORD": "first-admin-password", "DEMO_PASSWORD": "first-demo-password"}

pytestmark = pytest.mark.django_db


def test_a_fresh_installation_gets_an_operator_and_an_ordinary_user() -> None:
    logins = ensure_people(ENVIRONMENT)

    admin, demo = User.objects.get(username="admin"), User.objects.get(username="demo")
    assert (admin.is_superuser, admin.is_staff, demo.is_superuser, demo.is_staff) == (
        True,
        True,
        False,
        False,
    )
    assert demo.check_password("first-demo-password")
    assert logins["admin"].shown == "first-admin-password"


def test_the_second_start_shows_the_same_passwords() -> None:
    assert ensure_people(ENVIRONMENT) == ensure_people(ENVIRONMENT)


def test_a_password_that_somebody_set_is_neither_changed_nor_shown() -> None:
    ensure_people(ENVIRONMENT)
    admin = User.objects.get(username="admin")
    admin.set_password("chosen-by-a-person")
    admin.save()

    login = ensure_people(ENVIRONMENT)["admin"]

    assert login.password is None
    assert "first" not in login.shown
    assert User.objects.get(username="admin").check_password("chosen-by-a-person")
