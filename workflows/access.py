"""What the gateway may show to whom: the one door to runs, asked on the gateway's own threads."""

from collections.abc import Mapping
from typing import Any, cast
from uuid import UUID

from django.contrib.auth.models import User

from streaming.gateway import PooledAccess, Seen
from workflows.events import ItemCommitted, ItemPartial, ItemRejected, ItemReplaced, ItemRetracted
from workflows.models import Scope
from workflows.principals import Principal, principal_of, renewed
from workflows.rights import may_see_items
from workflows.selectors import address_of, runs_visible_to

# What came of a run, rather than how it went.
PAYLOAD_TYPES = frozenset(
    {ItemCommitted.TYPE, ItemPartial.TYPE, ItemReplaced.TYPE, ItemRetracted.TYPE, ItemRejected.TYPE}
)


def principal_of_scope(scope: Mapping[str, Any]) -> Principal | None:
    """Of a socket: whom the entrance found, else of its session, by Channels' authentication. None: not signed in."""
    if "principal" in scope:
        return cast("Principal | None", scope["principal"])
    user = scope.get("user")
    if not isinstance(user, User) or not user.is_active:
        return None
    return principal_of(user, session=scope["session"])


def look(principal: Principal, run_id: UUID) -> Seen | None:
    """What they may see of the run now. All is read anew, since a stream outlives many rights."""
    now = renewed(principal)
    if now is None or not now.has(Scope.READ):
        return None
    run = runs_visible_to(now).filter(pk=run_id).only("owner").first()
    if run is None:
        return None
    withheld = frozenset() if may_see_items(now, run) else PAYLOAD_TYPES
    return Seen(now.audience, withheld, snapshot=address_of(run_id, viewer=now))


check_access = PooledAccess(look)
