"""What is limited, and for whom: starts and uploads for each caller, failed sign-ins for each name and address."""

from math import ceil

from django.contrib.auth.signals import user_login_failed
from django.http import HttpRequest
from rest_framework.exceptions import Throttled

from workflows.entrance.conf import conf
from workflows.entrance.counting import Limit, look, spend
from workflows.principals import Principal

MINUTE = 60
NAME_CHARS = 200  # of a name that somebody tries


def starts() -> Limit:
    return Limit(what="start", most=conf().starts_per_minute, seconds=MINUTE)


def uploads() -> Limit:
    return Limit(what="upload", most=conf().uploads_per_minute, seconds=MINUTE)


def logins() -> Limit:
    """Failures of one name from one address: nobody locks somebody else out from elsewhere."""
    return Limit(what="login", most=conf().failed_logins_max, seconds=conf().failed_logins_seconds)


def logins_of_address() -> Limit:
    """Of all names from one address."""
    most = conf().failed_logins_max * conf().failed_logins_address_factor
    return Limit(what="login-address", most=most, seconds=conf().failed_logins_seconds)


def require(limit: Limit, principal: Principal) -> None:
    """Count one. Raises TooOften, which every way of answering words as 429 with Retry-After."""
    refuse(spend(limit, principal.key))


class TooOften(Throttled):
    """seconds: after which there is room again, at least 1."""

    def __init__(self, seconds: int) -> None:
        super().__init__(wait=seconds)
        self.seconds = seconds


def refuse(wait_seconds: float | None) -> None:
    """Raises TooOften, unless it is None."""
    if wait_seconds is not None:
        raise TooOften(ceil(wait_seconds))


class FailedLogins:
    """The first of the authentication backends: it knows nobody, and stops whoever failed too often before a password
    is looked at. The login page, the admin's and HTTP Basic all come by here.
    """

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None
    ) -> None:
        """Raises TooOften."""
        if request is not None and username:
            refuse(look(logins(), _pair(request, username)))
            refuse(look(logins_of_address(), _address(request)))


def count_failure(credentials: dict[str, str], request: HttpRequest | None = None, **_: object) -> None:
    """A name and a password that did not fit."""
    if request is not None:
        spend(logins(), _pair(request, str(credentials.get("username", ""))))
        spend(logins_of_address(), _address(request))


user_login_failed.connect(count_failure, dispatch_uid="longhaul.count_failed_logins")


def _pair(request: HttpRequest, name: str) -> str:
    return f"{name[:NAME_CHARS].casefold()}|{_address(request)}"


def _address(request: HttpRequest) -> str:
    """As the server knows it: uvicorn reads what a trusted proxy says of its client."""
    return str(request.META.get("REMOTE_ADDR", ""))
