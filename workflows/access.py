"""What the gateway may show to whom: the one door to runs, asked on the gateway's own threads."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils.crypto import constant_time_compare

from outbox.models import Audience
from streaming.gateway import PooledAccess, Seen
from workflows.events import ItemCommitted, ItemPartial, ItemRejected, ItemReplaced, ItemRetracted
from workflows.rights import may_see_payloads
from workflows.selectors import runs_visible_to

# What came of a run, rather than how it went.
PAYLOAD_TYPES = frozenset(
    {ItemCommitted.TYPE, ItemPartial.TYPE, ItemReplaced.TYPE, ItemRetracted.TYPE, ItemRejected.TYPE}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who follows, as they proved it at the beginning. session_key: None for who came by name and password.

    auth_hash: of the password that was valid then, as Django puts it into a session.
    """

    user_id: int
    session_key: str | None
    auth_hash: str


def principal_of(user: User, *, session: Any | None) -> Principal:
    """session: the one that proved who `user` is."""
    key = session.session_key if session is not None else None
    return Principal(user_id=user.pk, session_key=key, auth_hash=user.get_session_auth_hash())


def principal_of_scope(scope: Mapping[str, Any]) -> Principal | None:
    """Of a socket behind Channels' authentication, which knows sessions only. None: not signed in."""
    user = scope.get("user")
    if not isinstance(user, User) or not user.is_active:
        return None
    return principal_of(user, session=scope["session"])


def look(principal: Principal, run_id: UUID) -> Seen | None:
    """What they may see of the run now. All is read anew, since a stream outlives many rights: the account, its
    password, and the session, which ends with signing out.
    """
    user = User.objects.filter(pk=principal.user_id, is_active=True).first()
    if user is None or not _is_signed_in(user, principal):
        return None
    run = runs_visible_to(user).filter(pk=run_id).only("owner").first()
    if run is None:
        return None
    withheld = frozenset() if may_see_payloads(user, run) else PAYLOAD_TYPES
    audience = Audience.OPERATOR if user.is_staff else Audience.MEMBER
    return Seen(audience, withheld, snapshot=reverse("run", args=[run_id]))


def _is_signed_in(user: User, principal: Principal) -> bool:
    hashes = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    if not any(constant_time_compare(principal.auth_hash, valid) for valid in hashes):
        return False
    if principal.session_key is None:
        return True
    session = import_module(settings.SESSION_ENGINE).SessionStore(principal.session_key)
    return bool(session.get(SESSION_KEY) == str(user.pk))


check_access = PooledAccess(look)
