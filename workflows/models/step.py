"""One durable node of a run."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import models
from django.db.models import Q
from uuid_utils.compat import uuid7

from workflows.models.machine import ConcurrentTransitionMixin, FSMField, transition
from workflows.models.querysets import StepManager
from workflows.models.run import Run
from workflows.states import STEP_TERMINAL, StepState

WORKING = [StepState.RUNNING, StepState.COMPENSATING]


class Step(ConcurrentTransitionMixin, models.Model):
    """One durable node of a run. Its lease, not the Celery message, is the right to work on it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="steps")
    position = models.PositiveSmallIntegerField()
    stage = models.PositiveSmallIntegerField()
    branch = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=100)
    title = models.CharField(max_length=200)
    queue = models.CharField(max_length=100)
    has_undo = models.BooleanField(default=False)
    timeout_seconds = models.FloatField()
    idle_timeout_seconds = models.FloatField(null=True, blank=True)

    state = FSMField(choices=StepState.choices, default=StepState.PENDING, protected=True)
    state_info = models.JSONField(null=True, blank=True)  # {"template", "params"}: what the step last said
    progress = models.JSONField(null=True, blank=True)  # {"done", "total", "unit"}
    attempt_count = models.PositiveIntegerField(default=0)  # forward attempts, counted before the body
    max_attempts = models.PositiveIntegerField()  # of this round: a retry by hand raises it
    undo_count = models.PositiveIntegerField(default=0)
    max_undo_attempts = models.PositiveIntegerField(default=0)
    # An attempt vanished or ran out of time: it may have had its effect, whatever a later one comes to but success.
    outcome_unknown = models.BooleanField(default=False)
    items_count = models.PositiveIntegerField(default=0)  # index of the next item
    output = models.JSONField(null=True, blank=True)
    error = models.JSONField(null=True, blank=True)

    # The alarm clock, the one column the sweeper reads: when to look at this step again whatever happens.
    # Null while nothing can happen to it (terminal, or predecessors unfinished).
    due_at = models.DateTimeField(null=True, blank=True)
    retry_at = models.DateTimeField(
        null=True, blank=True
    )  # an undo backs off until then: the sweeper clears it
    dispatch_count = models.PositiveIntegerField(default=0)  # times sent and not taken: each wait doubles
    lease_token = models.UUIDField(
        null=True, blank=True, editable=False
    )  # fencing: only its bearer may write
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    holder = models.CharField(max_length=200, blank=True, default="")
    deadline_at = models.DateTimeField(null=True, blank=True)  # of the attempt
    idle_deadline_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = StepManager()

    class Meta:
        ordering = ["position"]
        indexes = [
            models.Index(name="step_alarm_clock", fields=["due_at"], condition=Q(due_at__isnull=False)),
            models.Index(name="step_leased_by", fields=["holder"], condition=Q(lease_token__isnull=False)),
        ]
        constraints = [
            models.UniqueConstraint(name="step_one_per_position", fields=["run", "position"]),
            models.UniqueConstraint(name="step_one_per_name", fields=["run", "name"]),
            models.CheckConstraint(
                name="step_finished_at_iff_terminal",
                condition=Q(state__in=sorted(STEP_TERMINAL), finished_at__isnull=False)
                | (~Q(state__in=sorted(STEP_TERMINAL)) & Q(finished_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="step_alarm_iff_open",
                condition=Q(state__in=sorted({StepState.PENDING, *STEP_TERMINAL}), due_at__isnull=True)
                | (~Q(state__in=sorted({StepState.PENDING, *STEP_TERMINAL})) & Q(due_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="step_lease_while_working",
                condition=Q(lease_token__isnull=True) | Q(state__in=sorted(WORKING)),
            ),
            models.CheckConstraint(
                name="step_running_has_lease",
                condition=~Q(state=StepState.RUNNING) | Q(lease_token__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.run_id}"

    def alarm(self) -> datetime:
        """When a leased step is overdue: its lease, its attempt's deadline or its idle limit, whichever is first."""
        limits = [self.lease_expires_at, self.deadline_at, self.idle_deadline_at]
        return min(limit for limit in limits if limit is not None)

    def lend(
        self, token: UUID, *, holder: str, lease: timedelta, timeout: float, idle: float | None, now: datetime
    ) -> None:
        """Give the lease away. timeout, idle: seconds from now; the alarm is never set past them."""
        self.lease_token, self.holder = token, holder
        self.lease_expires_at = now + lease
        self.deadline_at = now + timedelta(seconds=timeout)
        self.idle_deadline_at = None if idle is None else now + timedelta(seconds=idle)
        self.due_at = self.alarm()
        self.dispatch_count = 0

    def take_back_lease(self) -> None:
        self.lease_token = self.lease_expires_at = self.deadline_at = self.idle_deadline_at = None
        self.holder = ""

    def wait_for_worker(self, due_at: datetime) -> None:
        """Acquirable from now on; `due_at`: when to send it again if nobody took it."""
        self.due_at, self.dispatch_count = due_at, 0

    @transition(field=state, source=[StepState.PENDING, StepState.RETRYING], target=StepState.READY)
    def open(self, *, due_at: datetime) -> None:
        self.wait_for_worker(due_at)

    @transition(field=state, source=StepState.FAILED, target=StepState.READY)
    def reopen(self, *, attempts: int, due_at: datetime) -> None:
        """A new round by an operator: as many attempts again, the old ones stay counted."""
        self.finished_at = self.error = self.state_info = None
        self.max_attempts = self.attempt_count + attempts
        self.wait_for_worker(due_at)

    @transition(field=state, source=StepState.READY, target=StepState.RUNNING)
    def begin(self, *, now: datetime) -> None:
        self.attempt_count += 1
        self.started_at = self.started_at or now
        self.state_info = self.progress = None

    @transition(field=state, source=StepState.RUNNING, target=StepState.COMPLETED)
    def complete(self, output: Any, *, now: datetime) -> None:
        self.output, self.finished_at, self.due_at, self.error = output, now, None, None
        self.outcome_unknown = False
        self.take_back_lease()

    @transition(field=state, source=StepState.RUNNING, target=StepState.RETRYING)
    def retry_later(self, error: dict[str, Any], *, due_at: datetime, unknown: bool) -> None:
        self.error, self.due_at = error, due_at
        self.outcome_unknown = self.outcome_unknown or unknown
        self.take_back_lease()

    @transition(field=state, source=StepState.RUNNING, target=StepState.FAILED)
    def fail(self, error: dict[str, Any], *, now: datetime, unknown: bool) -> None:
        self.error, self.finished_at, self.due_at = error, now, None
        self.outcome_unknown = self.outcome_unknown or unknown
        self.take_back_lease()

    @transition(field=state, source=StepState.PENDING, target=StepState.CANCELLED)
    def cancel(self, *, now: datetime) -> None:
        self.finished_at, self.due_at = now, None

    @transition(
        field=state,
        source=[StepState.COMPLETED, StepState.FAILED, StepState.COMPENSATION_FAILED],
        target=StepState.COMPENSATING,
    )
    def compensate(self, *, attempts: int, due_at: datetime) -> None:
        self.finished_at = self.state_info = self.progress = self.error = None
        self.max_undo_attempts = self.undo_count + attempts
        self.retry_at = None
        self.wait_for_worker(due_at)

    @transition(field=state, source=StepState.COMPENSATING, target=StepState.COMPENSATED)
    def end_compensation(self, *, now: datetime) -> None:
        self.finished_at, self.due_at, self.error = now, None, None
        self.take_back_lease()

    @transition(field=state, source=StepState.COMPENSATING, target=StepState.COMPENSATION_FAILED)
    def fail_compensation(self, error: dict[str, Any], *, now: datetime) -> None:
        self.error, self.finished_at, self.due_at = error, now, None
        self.take_back_lease()

    def undo_later(self, error: dict[str, Any], *, retry_at: datetime) -> None:
        """Between two tries of an undo the state stays `compensating`, without a lease, and not acquirable."""
        self.error, self.due_at, self.retry_at = error, retry_at, retry_at
        self.take_back_lease()

    def end_back_off(self, *, due_at: datetime) -> None:
        """The undo may be tried again from now on."""
        self.retry_at = None
        self.wait_for_worker(due_at)
