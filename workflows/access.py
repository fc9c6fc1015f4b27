"""What the gateway may show to whom: the one door to runs, asked on the gateway's own threads."""

from typing import Any
from uuid import UUID

from django.contrib.auth.models import User

from outbox.models import Audience
from streaming.gateway import PooledAccess, Seen
from workflows.selectors import runs_visible_to


def look(principal: Any, run_id: UUID) -> Seen | None:
    """What this user may see of the run now: the account is read anew, since a stream outlives many rights."""
    user = User.objects.filter(pk=principal.pk, is_active=True).first()
    if user is None or not runs_visible_to(user).filter(pk=run_id).exists():
        return None
    return Seen(Audience.OPERATOR if user.is_staff else Audience.MEMBER)


check_access = PooledAccess(look)
