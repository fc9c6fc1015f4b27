"""Who is calling: a browser by its session, a program by name and password (HTTP Basic)."""

from django.contrib.auth.models import User
from django.http import HttpRequest
from rest_framework.authentication import BasicAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from workflows.access import Principal, principal_of
from workflows.engine.storable import UNSTORABLE


def challenge(request: HttpRequest | Request) -> str:
    """What a 401 asks for. Not Basic where a browser fetches in the background: it would open a password box."""
    return "Session" if "Sec-Fetch-Mode" in request.headers else 'Basic realm="api"'


class BrowserSession(SessionAuthentication):
    """Django's session. It answers 401 with a challenge to who is not signed in, where DRF's own answers 403."""

    def authenticate_header(self, request: Request) -> str:
        return challenge(request)


class PasswordInHeader(BasicAuthentication):
    """HTTP Basic. A name that no database looks up is nobody's: 401, as for any other that is wrong."""

    def authenticate_credentials(
        self, userid: str, password: str, request: Request | None = None
    ) -> tuple[User, None]:
        if UNSTORABLE.search(userid):
            raise AuthenticationFailed
        signed_in: tuple[User, None] = super().authenticate_credentials(userid, password, request)
        return signed_in


def authenticate(request: HttpRequest) -> User | None:
    """The active user of a plain Django request, or None. Raises DRF's AuthenticationFailed for wrong credentials."""
    user = _asked(request).user
    return user if isinstance(user, User) and user.is_active else None


def identify(request: HttpRequest) -> Principal | None:
    """The same for who will be looked at again and again: with what they proved it by."""
    asked = _asked(request)
    user = asked.user
    if not isinstance(user, User) or not user.is_active:
        return None
    is_browser = isinstance(asked.successful_authenticator, BrowserSession)
    return principal_of(user, session=request.session if is_browser else None)


def _asked(request: HttpRequest) -> Request:
    return Request(request, authenticators=[BrowserSession(), PasswordInHeader()])
