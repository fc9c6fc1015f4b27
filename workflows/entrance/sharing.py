"""Share links: made, and revoked, with a line in the audit trail. The secret leaves here once, as a result."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction

from outbox.clock import CLOCK, Clock
from workflows.credentials import digest, new_secret
from workflows.engine.storable import storable
from workflows.entrance.conf import conf
from workflows.errors import InvalidInput
from workflows.models import AuditEntry, LinkScope, Run, ShareLink
from workflows.services.acting import refuse_long_reason


def share(
    run_id: UUID,
    *,
    by: User,
    scopes: Iterable[str] = (),
    expires_at: datetime | None = None,
    reason: str = "",
    clock: Clock = CLOCK,
) -> tuple[ShareLink, str]:
    """A link that shows the run, and its secret, which nobody is shown again. How the run goes, every link shows.

    expires_at: None: after `share_link_seconds`. Raises InvalidInput, Run.DoesNotExist.
    """
    refuse_long_reason(reason)
    now = clock.now()
    until = now + timedelta(seconds=conf().share_link_seconds) if expires_at is None else expires_at
    _refuse_time(until, now=now)
    secret = new_secret()
    with transaction.atomic():
        run = Run.objects.locked(run_id)  # so that rivals count each other's links
        if ShareLink.objects.live(now).filter(run=run).count() >= conf().share_links_max:
            raise InvalidInput(f"the run has {conf().share_links_max} links already; revoke one first")
        link = ShareLink.objects.create(
            run=run,
            secret_hash=digest(secret),
            scopes=sorted({LinkScope.PROGRESS, *scopes}),
            created_by=by,
            created_at=now,
            expires_at=until,
        )
        _note(run, by=by, action="share", reason=reason, now=now)
    return link, secret


def unshare(link: ShareLink, *, by: User, reason: str = "", clock: Clock = CLOCK) -> None:
    """From now on it opens nothing; streams that it opened end at the next heartbeat. Twice is once."""
    refuse_long_reason(reason)
    now = clock.now()
    with transaction.atomic():
        if ShareLink.objects.filter(pk=link.pk, revoked_at__isnull=True).update(revoked_at=now):
            _note(link.run, by=by, action="unshare", reason=reason, now=now)


def _refuse_time(until: datetime, *, now: datetime) -> None:
    longest = conf().share_link_max_seconds
    if not now < until <= now + timedelta(seconds=longest):
        detail = f"a share link is good for {longest:g} seconds at most, and not for less than none"
        raise InvalidInput(detail, errors=[("/expires_at", "out_of_range", detail)])


def _note(run: Run, *, by: User, action: str, reason: str, now: datetime) -> None:
    AuditEntry.objects.create(
        run=run,
        run_ref=run.id,
        actor=by,
        action=action,
        reason=storable(reason),
        before=run.state,
        after=run.state,
        created_at=now,
    )
