"""Who is calling: a browser by its session, a program by name and password (HTTP Basic)."""

from django.contrib.auth.models import User
from django.http import HttpRequest
from rest_framework.authentication import BasicAuthentication, SessionAuthentication
from rest_framework.request import Request


def challenge(request: HttpRequest | Request) -> str:
    """What a 401 asks for. Not Basic where a browser fetches in the background: it would open a password box."""
    return "Session" if "Sec-Fetch-Mode" in request.headers else 'Basic realm="api"'


class BrowserSession(SessionAuthentication):
    """Django's session. It answers 401 with a challenge to who is not signed in, where DRF's own answers 403."""

    def authenticate_header(self, request: Request) -> str:
        return challenge(request)


def authenticate(request: HttpRequest) -> User | None:
    """The active user of a plain Django request, or None. Raises DRF's AuthenticationFailed for wrong credentials."""
    user = Request(request, authenticators=[BrowserSession(), BasicAuthentication()]).user
    return user if isinstance(user, User) and user.is_active else None
