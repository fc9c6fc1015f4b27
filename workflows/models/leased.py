"""The alarm clock and the lease of a step: who may work on it, until when, and when to look at it again."""

from datetime import datetime, timedelta
from uuid import UUID

from django.db import models


class Leased(models.Model):
    """Columns that only acquire, renew, settle and the sweeper write."""

    # The alarm clock, the one column the sweeper reads: when to look at this step again whatever happens.
    # Null while nothing can happen to it (terminal, or predecessors unfinished).
    due_at = models.DateTimeField(null=True, blank=True)
    ready_at = models.DateTimeField(null=True, blank=True)  # since when a worker could take it
    # An undo backs off until then: the sweeper clears it.
    retry_at = models.DateTimeField(null=True, blank=True)
    dispatch_count = models.PositiveIntegerField(default=0)  # times sent and not taken: each wait doubles
    # Fencing: only its bearer may write.
    lease_token = models.UUIDField(null=True, blank=True, editable=False)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    holder = models.CharField(max_length=200, blank=True, default="")
    deadline_at = models.DateTimeField(null=True, blank=True)  # of the attempt, or of a wait
    idle_deadline_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True

    def alarm(self) -> datetime:
        """When a leased step is overdue: its lease, its attempt's deadline or its idle limit, whichever is first."""
        limits = [self.lease_expires_at, self.deadline_at, self.idle_deadline_at]
        return min(limit for limit in limits if limit is not None)

    def lend(
        self,
        token: UUID,
        *,
        holder: str,
        lease: timedelta,
        deadline: datetime,
        idle: float | None,
        now: datetime,
    ) -> None:
        """Give the lease away. deadline: of the attempt. idle: seconds from now; the alarm is never set past them."""
        self.lease_token, self.holder = token, holder
        self.lease_expires_at = now + lease
        self.deadline_at = deadline
        self.idle_deadline_at = None if idle is None else now + timedelta(seconds=idle)
        self.due_at = self.alarm()
        self.dispatch_count = 0

    def take_back_lease(self) -> None:
        self.lease_token = self.lease_expires_at = self.deadline_at = self.idle_deadline_at = None
        self.holder = ""

    def end_by(self, moment: datetime) -> None:
        """Bring the end of the attempt forward: its worker is asked to stop, and fenced off if it does not."""
        if self.lease_token is not None and self.deadline_at is not None:
            self.deadline_at = min(self.deadline_at, moment)
            self.due_at = self.alarm()

    def wait_for_worker(self, due_at: datetime, *, now: datetime) -> None:
        """Acquirable from now on; `due_at`: when to send it again if nobody took it."""
        self.due_at, self.ready_at, self.dispatch_count = due_at, now, 0

    def rest(self) -> None:
        """Nothing will happen to it by itself."""
        self.due_at = self.ready_at = self.retry_at = None
        self.dispatch_count = 0
        self.take_back_lease()
