"""Tickets: a browser can send no header with a stream, and no cookie of ours from another site. A ticket in the address
opens one stream, once, in the name of whoever asked for it.

They are rows: whoever removes a ticket has used it, which two cannot, and Redis may be away or empty.
"""

from datetime import datetime, timedelta
from uuid import UUID

from django.contrib.auth.models import User

from outbox.clock import CLOCK, Clock
from workflows.credentials import TICKET_PREFIX, digest, new_secret
from workflows.entrance.conf import conf
from workflows.models import Scope, StreamTicket
from workflows.principals import Account, Principal, Token, renewed

READING = frozenset({Scope.READ, Scope.PAYLOADS})


def make_ticket(principal: Principal, *, run_id: UUID | None, clock: Clock = CLOCK) -> tuple[str, datetime]:
    """The secret, and until when it may be used. run_id: of a run that they see; None: of any of them.

    Raises ValueError for a share link, which needs none.
    """
    way = principal.way
    if not isinstance(principal.user, User) or not isinstance(way, Account | Token):
        raise ValueError("a ticket stands for an account or an API token")
    now = clock.now()
    StreamTicket.objects.filter(expires_at__lte=now).delete()
    secret, expires_at = new_secret(TICKET_PREFIX), now + timedelta(seconds=conf().stream_ticket_seconds)
    StreamTicket.objects.create(
        secret_hash=digest(secret),
        user=principal.user,
        token_id=way.id if isinstance(way, Token) else None,
        session_key=way.session_key or "" if isinstance(way, Account) else "",
        auth_hash=way.auth_hash if isinstance(way, Account) else "",
        run_id=run_id or principal.run_id,
        scopes=sorted(principal.scopes & READING),
        expires_at=expires_at,
    )
    return secret, expires_at


def redeem(secret: str, *, clock: Clock = CLOCK) -> Principal | None:
    """Who it stands for, once; None when it was used, is too old, or whoever asked for it has no way in any more."""
    rows = StreamTicket.objects.filter(secret_hash=digest(secret))
    ticket = rows.select_related("user").first()
    if ticket is None:
        return None
    used, _ = rows.delete()
    if not used or ticket.expires_at <= clock.now():  # not used: a rival was faster
        return None
    way: Account | Token
    if ticket.token_id is not None:
        way = Token(ticket.token_id)
    else:
        way = Account(auth_hash=ticket.auth_hash, session_key=ticket.session_key or None)
    scopes = frozenset(ticket.scopes)
    return renewed(Principal(user=ticket.user, way=way, scopes=scopes, run_id=ticket.run_id))
