"""The two people of a fresh installation: `admin`, who may do everything, and `demo`, an ordinary user."""

from collections.abc import Mapping
from typing import NamedTuple

from django.contrib.auth import get_user_model

UNKNOWN = "(the password that was set there)"


class Login(NamedTuple):
    """`password` is None when somebody changed it, so that we cannot show it."""

    name: str
    password: str | None

    @property
    def shown(self) -> str:
        return self.password or UNKNOWN


def ensure_people(environment: Mapping[str, str]) -> dict[str, Login]:
    """Make the users that are missing, with ADMIN_PASSWORD and DEMO_PASSWORD; both logins by user name.

    A user who exists is never changed: others may use the database, or somebody chose a password.
    """
    return {
        "admin": _ensure("admin", environment["ADMIN_PASSWORD"], is_superuser=True),
        "demo": _ensure("demo", environment["DEMO_PASSWORD"], is_superuser=False),
    }


def _ensure(name: str, password: str, *, is_superuser: bool) -> Login:
    users = get_user_model().objects
    user = users.filter(username=name).first()
    if user is None:
        users.create_user(name, password=password, is_staff=is_superuser, is_superuser=is_superuser)
        return Login(name, password)
    return Login(name, password if user.check_password(password) else None)
