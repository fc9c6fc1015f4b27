"""API tokens: made, and revoked. The secret leaves here once, as a result."""

from collections.abc import Iterable
from datetime import datetime

from django.contrib.auth.models import User

from outbox.clock import CLOCK, Clock
from workflows.credentials import SHOWN_CHARS, TOKEN_PREFIX, digest, new_secret
from workflows.models import ApiToken, Scope


def make_token(
    owner: User,
    *,
    name: str,
    scopes: Iterable[str] = (Scope.READ,),
    expires_at: datetime | None = None,
    clock: Clock = CLOCK,
) -> tuple[ApiToken, str]:
    """A token that stands for `owner`, and its secret, which nobody is shown again. expires_at: None: never."""
    token = ApiToken(owner=owner, name=name, scopes=sorted(set(scopes)), expires_at=expires_at)
    return token, issue(token, clock=clock)


def issue(token: ApiToken, *, clock: Clock = CLOCK) -> str:
    """Save a new token with a secret, which is the result. Raises ValueError for scopes that there are not."""
    if not token.scopes or set(token.scopes) - set(Scope.values):
        raise ValueError(f"scopes are one or more of {', '.join(Scope.values)}")
    secret = new_secret(TOKEN_PREFIX)
    token.secret_hash, token.prefix = digest(secret), secret[:SHOWN_CHARS]
    token.created_at = clock.now()
    token.save()
    return secret


def revoke_tokens(ids: Iterable[int], *, clock: Clock = CLOCK) -> int:
    """How many opened something until now. Streams that they opened end at the next heartbeat."""
    return ApiToken.objects.filter(pk__in=list(ids), revoked_at__isnull=True).update(revoked_at=clock.now())
