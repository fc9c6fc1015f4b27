"""Who is calling: a browser by its session, a program by an API token or by name and password (HTTP Basic)."""

from django.contrib.auth.models import User
from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication, BasicAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from workflows.engine.storable import UNSTORABLE
from workflows.principals import Principal, by_token, principal_of

REFUSED_TOKEN = "This API token is unknown, has expired or was revoked."


def challenge(request: HttpRequest | Request) -> str:
    """What a 401 asks for. Not Basic where a browser fetches in the background: it would open a password box."""
    if bearer(request) is not None:
        return 'Bearer realm="api", error="invalid_token"'
    return "Session" if "Sec-Fetch-Mode" in request.headers else 'Basic realm="api"'


def bearer(request: HttpRequest | Request) -> str | None:
    """The token in `Authorization: Bearer …`; None: the request has no such header."""
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else None


class TokenInHeader(BaseAuthentication):
    """`Authorization: Bearer lh_…`. It comes first: who sends one means it, whatever cookies are sent beside it."""

    def authenticate(self, request: Request) -> tuple[User, Principal] | None:
        secret = bearer(request)
        if secret is None:
            return None
        found = by_token(secret)
        if found is None or found.user is None:
            raise AuthenticationFailed(REFUSED_TOKEN)
        return found.user, found

    def authenticate_header(self, request: Request) -> str:
        return challenge(request)


class BrowserSession(SessionAuthentication):
    """Django's session. It answers 401 with a challenge to who is not signed in, where DRF's own answers 403."""

    def authenticate(self, request: Request) -> tuple[User, Principal] | None:
        found = super().authenticate(request)
        return None if found is None else (found[0], principal_of(found[0], session=request.session))

    def authenticate_header(self, request: Request) -> str:
        return challenge(request)


class PasswordInHeader(BasicAuthentication):
    """HTTP Basic. A name that no database looks up is nobody's: 401, as for any other that is wrong."""

    def authenticate_credentials(  # type: ignore[override]  # the stubs know of no second value but None
        self, userid: str, password: str, request: Request | None = None
    ) -> tuple[User, Principal]:
        if UNSTORABLE.search(userid):
            raise AuthenticationFailed
        user, _ = super().authenticate_credentials(userid, password, request)
        return user, principal_of(user)


def principal(request: Request) -> Principal:
    """Who calls the API, and what their way in lets them do."""
    return request.auth if isinstance(request.auth, Principal) else principal_of(request.user)


def identify(request: HttpRequest) -> Principal | None:
    """The principal of a plain Django request, or None. Raises DRF's AuthenticationFailed for wrong credentials."""
    asked = Request(request, authenticators=[TokenInHeader(), BrowserSession(), PasswordInHeader()])
    user = asked.user
    return principal(asked) if isinstance(user, User) and user.is_active else None
