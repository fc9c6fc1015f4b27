"""One durable node of a run."""

from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import Q
from uuid_utils.compat import uuid7

from outbox import wire
from workflows import telemetry
from workflows.models.leased import Leased
from workflows.models.machine import FSMField, Move, StateMachine, transition
from workflows.models.querysets import StepManager
from workflows.models.run import Run, trace_of
from workflows.states import STEP_TERMINAL, StepKind, StepState

WORKING = [StepState.RUNNING, StepState.COMPENSATING]
# Open, and waiting for a worker, a time or a signal: nobody holds a lease.
UNHELD = [StepState.READY, StepState.RETRYING, StepState.WAITING]
FAULTY = (StepState.RETRYING, StepState.FAILED, StepState.COMPENSATION_FAILED)
UNDOING = (StepState.COMPENSATING, StepState.COMPENSATED, StepState.COMPENSATION_FAILED)
RESTING = sorted({StepState.PENDING, *STEP_TERMINAL})


class Step(Leased, StateMachine):
    """One durable node of a run. Its lease, not the Celery message, is the right to work on it.

    A fan-out has a row of its own without a lease, the join, and one row for each part: `parent` and `index` say of
    which. A part shares position, stage and branch with its parent.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="steps")
    kind = models.CharField(
        max_length=16, choices=StepKind.choices, default=StepKind.STEP, db_default=StepKind.STEP
    )
    parent = models.ForeignKey("self", on_delete=models.CASCADE, null=True, blank=True, related_name="parts")
    index = models.PositiveIntegerField(null=True, blank=True)  # of a part
    item = models.JSONField(null=True, blank=True, decoder=wire.Decoder)  # what a part works on
    position = models.PositiveSmallIntegerField()
    stage = models.PositiveSmallIntegerField()
    branch = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=120)
    title = models.CharField(max_length=200)
    queue = models.CharField(max_length=100, blank=True)
    has_undo = models.BooleanField(default=False)
    # A pivot or retry-only: once done, the run only goes forward.
    no_return = models.BooleanField(default=False, db_default=False)
    timeout_seconds = models.FloatField()
    idle_timeout_seconds = models.FloatField(null=True, blank=True)

    state = FSMField(choices=StepState.choices, default=StepState.PENDING, protected=True)
    state_info = models.JSONField(null=True, blank=True)  # {"template", "params"}: what the step last said
    progress = models.JSONField(null=True, blank=True)  # {"done", "total", "unit"}
    attempt_count = models.PositiveIntegerField(default=0)  # forward attempts, counted before the body
    max_attempts = models.PositiveIntegerField()  # of this round: a retry by hand raises it
    undo_count = models.PositiveIntegerField(default=0)
    max_undo_attempts = models.PositiveIntegerField(default=0)
    # It may have had its effect without being completed: an attempt vanished or ran out of time, whatever a later one
    # comes to but success; or it is to be done again; or a part of it may have.
    outcome_unknown = models.BooleanField(default=False)
    items_count = models.PositiveIntegerField(default=0)  # index of the next item
    # How many of them a later attempt replaced or retracted.
    items_gone = models.PositiveIntegerField(default=0, db_default=0)
    output = models.JSONField(null=True, blank=True, decoder=wire.Decoder)
    output_file = models.JSONField(null=True, blank=True)  # {"name", "size", "sha256"}: of a large output
    error = models.JSONField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = StepManager()

    class Meta:
        ordering = ["position", "index"]
        indexes = [
            models.Index(name="step_alarm_clock", fields=["due_at"], condition=Q(due_at__isnull=False)),
            models.Index(name="step_leased_by", fields=["holder"], condition=Q(lease_token__isnull=False)),
            models.Index(
                name="step_part_by_state", fields=["parent", "state"], condition=Q(parent__isnull=False)
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                name="step_one_per_position", fields=["run", "position"], condition=Q(parent__isnull=True)
            ),
            models.UniqueConstraint(
                name="step_part_one_per_index", fields=["parent", "index"], condition=Q(parent__isnull=False)
            ),
            models.UniqueConstraint(name="step_one_per_name", fields=["run", "name"]),
            models.CheckConstraint(
                name="step_finished_at_iff_terminal",
                condition=Q(state__in=sorted(STEP_TERMINAL), finished_at__isnull=False)
                | (~Q(state__in=sorted(STEP_TERMINAL)) & Q(finished_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="step_open_has_alarm",
                condition=Q(state__in=RESTING) | Q(kind=StepKind.FAN_OUT) | Q(due_at__isnull=False),
            ),
            models.CheckConstraint(
                name="step_terminal_has_no_alarm",
                condition=~Q(state__in=sorted(STEP_TERMINAL)) | Q(due_at__isnull=True),
            ),
            models.CheckConstraint(
                name="step_lease_while_working",
                condition=Q(lease_token__isnull=True) | Q(state__in=sorted(WORKING)),
            ),
            models.CheckConstraint(
                name="step_running_has_lease",
                condition=~Q(state=StepState.RUNNING)
                | Q(lease_token__isnull=False)
                | Q(kind=StepKind.FAN_OUT),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.run_id}"

    @property
    def may_have_effect(self) -> bool:
        """Whether there may be something for its undo to do."""
        return self.state == StepState.COMPLETED or self.outcome_unknown

    @property
    def is_held(self) -> bool:
        """Somebody works on it, or on a part of it."""
        return self.state in WORKING and (self.lease_token is not None or self.kind == StepKind.FAN_OUT)

    @property
    def current_items(self) -> int:
        """How many items it has, without those that a later attempt replaced or retracted."""
        return self.items_count - self.items_gone

    @property
    def handler_name(self) -> str:
        """The name of its declaration: parts are numbered, their handler is not."""
        return self.name.partition("[")[0]

    def read_trace(self) -> telemetry.Trace:
        return trace_of(self.run_id)

    def told(self, move: Move) -> telemetry.Transition:
        since = None
        if move.source == StepState.READY and move.target == StepState.RUNNING:
            since = self.ready_at
        elif move.source in (StepState.RUNNING, StepState.WAITING):
            since = self.started_at
        made = self.undo_count if move.target in UNDOING else self.attempt_count
        return telemetry.Transition(
            machine="step",
            run_id=self.run_id,
            step=self.name,
            source=move.source,
            target=move.target,
            act=move.act,
            at=move.at,
            since=since,
            attempt=made or None,
            error_code=self.error["code"] if move.target in FAULTY and self.error else None,
            trace=self.read_trace,
        )

    @transition(field=state, source=[StepState.PENDING, StepState.RETRYING], target=StepState.READY)
    def open(self, *, due_at: datetime, now: datetime) -> None:
        self.wait_for_worker(due_at, now=now)

    @transition(field=state, source=StepState.PENDING, target=StepState.WAITING)
    def wait(self, *, deadline_at: datetime, due_at: datetime, now: datetime) -> None:
        self.started_at, self.deadline_at, self.due_at = now, deadline_at, due_at

    @transition(field=state, source=StepState.PENDING, target=StepState.RUNNING)
    def expand(self, *, now: datetime) -> None:
        """A fan-out begins: its parts have the leases. Until it is complete nobody knows how many had their effect."""
        self.started_at, self.due_at = self.started_at or now, None
        self.outcome_unknown = self.has_undo or self.no_return or self.outcome_unknown

    @transition(field=state, source=UNHELD, target=StepState.PENDING)
    def put_back(self) -> None:
        """The run stops before it began, or while it backed off."""
        self.rest()

    @transition(field=state, source=StepState.RUNNING, target=StepState.PENDING)
    def fold(self) -> None:
        """A fan-out of a run that stops for another's fault: its parts stay as they are."""
        self.rest()

    @transition(
        field=state,
        source=[
            StepState.PENDING,
            StepState.COMPLETED,
            StepState.FAILED,
            StepState.SKIPPED,
            StepState.CANCELLED,
        ],
        target=StepState.PENDING,
    )
    def reset(self, *, attempts: int) -> None:
        """Do it (again), by an operator's word: as many attempts again, the old ones stay counted.

        What it did stays done until then, so an undo is still owed for it.
        """
        self.outcome_unknown = self.may_have_effect
        self.finished_at = self.started_at = self.error = self.state_info = self.progress = None
        self.max_attempts = self.attempt_count + attempts
        self.rest()

    @transition(field=state, source=StepState.READY, target=StepState.RUNNING)
    def begin(self, *, now: datetime) -> None:
        self.attempt_count += 1
        self.started_at = self.started_at or now
        self.state_info = self.progress = None

    @transition(field=state, source=[StepState.RUNNING, StepState.WAITING], target=StepState.COMPLETED)
    def complete(self, output: Any, *, now: datetime, file: dict[str, Any] | None = None) -> None:
        self.output, self.output_file, self.finished_at, self.error = output, file, now, None
        self.outcome_unknown = False
        self.rest()

    def take_over(
        self, output: Any, *, file: dict[str, Any] | None, items_count: int, skipped: str, now: datetime
    ) -> None:
        """A step of a new run that its parent has done: completed there, or skipped. Nothing of it is undone here."""
        if skipped == StepState.SKIPPED:
            self.skip(output, now=now)
        else:
            self.adopt(output, file=file, now=now)
        self.items_count, self.has_undo, self.max_undo_attempts = items_count, False, 0

    @transition(field=state, source=StepState.PENDING, target=StepState.COMPLETED)
    def adopt(self, output: Any, *, file: dict[str, Any] | None, now: datetime) -> None:
        """Completed with what another run has."""
        self.output, self.output_file = output, file
        self.started_at = self.finished_at = now

    @transition(field=state, source=StepState.RUNNING, target=StepState.RETRYING)
    def retry_later(self, error: dict[str, Any], *, due_at: datetime, unknown: bool) -> None:
        self.rest()
        self.error, self.due_at = error, due_at
        self.outcome_unknown = self.outcome_unknown or unknown
        self.max_attempts = max(
            self.max_attempts, self.attempt_count + 1
        )  # a retry-only step has no last one

    @transition(field=state, source=[StepState.RUNNING, StepState.WAITING], target=StepState.FAILED)
    def fail(self, error: dict[str, Any], *, now: datetime, unknown: bool) -> None:
        self.rest()
        self.error, self.finished_at = error, now
        self.outcome_unknown = self.outcome_unknown or unknown

    @transition(
        field=state, source=[StepState.PENDING, StepState.RUNNING, *UNHELD], target=StepState.CANCELLED
    )
    def cancel(self, *, now: datetime, unknown: bool = False) -> None:
        self.rest()
        self.finished_at = now
        self.outcome_unknown = self.outcome_unknown or unknown

    @transition(
        field=state,
        source=[StepState.PENDING, *UNHELD, StepState.FAILED, StepState.CANCELLED],
        target=StepState.SKIPPED,
    )
    def skip(self, output: Any, *, now: datetime, reason: str = "") -> None:
        self.rest()
        self.state_info = {"template": "{reason}", "params": {"reason": reason}} if reason else None
        self.output, self.output_file, self.error, self.finished_at = output, None, None, now

    @transition(
        field=state,
        source=[
            StepState.PENDING,
            StepState.COMPLETED,
            StepState.FAILED,
            StepState.SKIPPED,
            StepState.CANCELLED,
            StepState.COMPENSATION_FAILED,
        ],
        target=StepState.COMPENSATING,
    )
    def compensate(self, *, attempts: int, due_at: datetime | None, now: datetime) -> None:
        """due_at: None for a fan-out, whose parts are undone."""
        self.finished_at = self.state_info = self.progress = self.error = None
        self.max_undo_attempts = self.undo_count + attempts
        self.rest()
        if due_at is not None:
            self.wait_for_worker(due_at, now=now)

    @transition(field=state, source=StepState.COMPENSATING, target=StepState.COMPENSATED)
    def end_compensation(self, *, now: datetime) -> None:
        self.rest()
        self.finished_at, self.error, self.outcome_unknown = now, None, False

    @transition(field=state, source=StepState.COMPENSATING, target=StepState.COMPENSATION_FAILED)
    def fail_compensation(self, error: dict[str, Any], *, now: datetime) -> None:
        self.rest()
        self.error, self.finished_at = error, now

    def undo_later(self, error: dict[str, Any], *, retry_at: datetime) -> None:
        """Between two tries of an undo the state stays `compensating`, without a lease, and not acquirable."""
        self.rest()
        self.error, self.due_at, self.retry_at = error, retry_at, retry_at

    def end_back_off(self, *, due_at: datetime, now: datetime) -> None:
        """The undo may be tried again from now on."""
        self.retry_at = None
        self.wait_for_worker(due_at, now=now)
