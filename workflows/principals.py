"""Who asks, and by which way they came in: one Principal for sessions, passwords, API tokens, tickets and share links.

A stream outlives many rights, so a principal says how it was proved, and `renewed` proves it anew.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from importlib import import_module
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from outbox.models import Audience
from workflows.credentials import digest
from workflows.models import ApiToken, LinkScope, Scope, ShareLink

EVERYTHING = frozenset(Scope.values)
USED_EVERY = timedelta(minutes=1)  # between two notes that a token is in use


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Signed in. auth_hash: of the password that was valid then. session_key: None for a name and a password."""

    auth_hash: str
    session_key: str | None


@dataclass(frozen=True, slots=True)
class Token:
    id: int


@dataclass(frozen=True, slots=True)
class Link:
    """secret: as it stands in the link's address."""

    id: int
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """user: in whose name; None for a share link. scopes: what this way in lets them do, of what they may.

    run_id: the only run that it opens, if there is such a bound.
    """

    user: User | None
    way: Account | Token | Link | None
    scopes: frozenset[str]
    run_id: UUID | None = None

    def has(self, scope: Scope | LinkScope) -> bool:
        return scope in self.scopes

    @property
    def audience(self) -> Audience:
        """The events that are for them."""
        if self.user is None:
            return Audience.PUBLIC
        return Audience.OPERATOR if self.user.is_staff else Audience.MEMBER

    @property
    def key(self) -> str:
        """Who it is in counts of requests and connections: all ways of one account count together."""
        if isinstance(self.way, Link):
            return f"link-{self.way.id}"
        return f"user-{self.user.pk}" if self.user is not None else "nobody"

    def narrowed(self, *, scopes: Iterable[str], run_id: UUID | None) -> "Principal":
        """The same with no more than these scopes, and bound to `run_id` if it is not None."""
        return replace(self, scopes=self.scopes & frozenset(scopes), run_id=run_id or self.run_id)


NOBODY = Principal(user=None, way=None, scopes=frozenset())


def principal_of(user: User | AnonymousUser, *, session: Any | None = None) -> Principal:
    """session: the one that proved who `user` is; None: they gave name and password, or act in a shell."""
    if not isinstance(user, User):
        return NOBODY
    key = session.session_key if session is not None else None
    way = Account(auth_hash=user.get_session_auth_hash(), session_key=key)
    return Principal(user=user, way=way, scopes=EVERYTHING)


def signed_in(request: HttpRequest) -> Principal:
    """Whoever looks at a page, by their session; NOBODY when they are not signed in."""
    return principal_of(request.user, session=getattr(request, "session", None))


def by_token(secret: str) -> Principal | None:
    """The owner of a live API token, within its scopes. That it is in use is noted, at most once a minute."""
    now = timezone.now()
    token = _live_tokens().filter(secret_hash=digest(secret)).first()
    if token is None:
        return None
    if token.last_used_at is None or now - token.last_used_at >= USED_EVERY:
        stale = Q(last_used_at__isnull=True) | Q(last_used_at__lte=now - USED_EVERY)
        ApiToken.objects.filter(stale, pk=token.pk).update(last_used_at=now)
    return _of_token(token)


def by_link(secret: str) -> Principal | None:
    """Whoever has the address of a live share link."""
    link = ShareLink.objects.live(timezone.now()).filter(secret_hash=digest(secret)).first()
    return None if link is None else _of_link(link, secret)


def renewed(principal: Principal) -> Principal | None:
    """The same principal with all read anew: account, password, session, token, link. None: it has ended."""
    now: Principal | None = None
    match principal.way:
        case Account() as way:
            now = _again(principal.user, way)
        case Token(id=pk):
            token = _live_tokens().filter(pk=pk).first()
            now = None if token is None else _of_token(token)
        case Link(id=pk, secret=secret):
            link = ShareLink.objects.live(timezone.now()).filter(pk=pk).first()
            now = None if link is None else _of_link(link, secret)
    return None if now is None else now.narrowed(scopes=principal.scopes, run_id=principal.run_id)


def _live_tokens() -> Any:
    return ApiToken.objects.live(timezone.now()).select_related("owner")


def _of_token(token: ApiToken) -> Principal:
    return Principal(user=token.owner, way=Token(token.pk), scopes=frozenset(token.scopes))


def _of_link(link: ShareLink, secret: str) -> Principal:
    scopes = frozenset({Scope.READ, *link.scopes})
    return Principal(user=None, way=Link(link.pk, secret), scopes=scopes, run_id=link.run_id)


def _again(user: User | None, way: Account) -> Principal | None:
    found = User.objects.filter(pk=user.pk, is_active=True).first() if user is not None else None
    if found is None:
        return None
    hashes = [found.get_session_auth_hash(), *found.get_session_auth_fallback_hash()]
    if not any(constant_time_compare(way.auth_hash, valid) for valid in hashes):
        return None
    if way.session_key is not None:
        session = import_module(settings.SESSION_ENGINE).SessionStore(way.session_key)
        if session.get(SESSION_KEY) != str(found.pk):  # it ends with signing out
            return None
    return Principal(user=found, way=way, scopes=EVERYTHING)
