"""One execution of a definition."""

from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import models
from django.db.models import Q
from uuid_utils.compat import uuid7

from outbox import wire
from workflows import telemetry
from workflows.models.machine import FSMField, Move, StateMachine, transition
from workflows.models.querysets import RunManager
from workflows.states import RUN_FORWARD, RUN_TERMINAL, RunState


class Run(StateMachine):
    """One execution of a workflow version, with the plan it was started with."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workflow = models.CharField(max_length=100)
    version = models.PositiveIntegerField()
    plan = models.JSONField()  # engine.plan.Plan, frozen at start
    plan_hash = models.CharField(max_length=64)
    state = FSMField(choices=RunState.choices, default=RunState.PENDING, protected=True)
    state_info = models.JSONField(
        null=True, blank=True
    )  # {"template", "params"}; null: its current step speaks
    input = models.JSONField(decoder=wire.Decoder)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="runs")
    title = models.CharField(max_length=200)
    labels = models.JSONField(default=dict, blank=True)
    # engine.outcomes.ErrorInfo of the step at fault; set while the run still works, it says that the run is stopping.
    # Of a run whose undo failed, it is the undo's, and what it was before is kept beside it until the undo is resumed.
    error = models.JSONField(null=True, blank=True)
    error_before_undo = models.JSONField(null=True, blank=True, editable=False)
    unique_key = models.CharField(max_length=200, null=True, blank=True)  # noqa: DJ001 - null: none, so not unique
    parent = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="children"
    )
    deadline_at = models.DateTimeField(null=True, blank=True)  # whatever is unfinished then fails
    # Retries spent of the plan's budget, in this round.
    retry_count = models.PositiveIntegerField(default=0, db_default=0)
    # While cancelling: what follows when all is quiet; once it is undone: that it was for a cancel.
    undoes_when_cancelled = models.BooleanField(default=False, db_default=False)
    # {"traceparent", "tracestate", "caller"}: telemetry.Trace, from its start; null: started before there were any.
    trace_context = models.JSONField(null=True, blank=True, editable=False)
    erase_requested_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)  # end of the last round

    objects = RunManager()

    class Meta:
        permissions = [
            ("start_run", "Can start a run of any workflow"),
            ("cancel_run", "Can cancel a run of somebody else"),
            ("retry_run", "Can retry a failed run"),
            ("rerun_run", "Can run a run again, as a new one"),
            ("skip_step", "Can skip a step"),
            ("signal_run", "Can answer a waiting step of somebody else's run"),
            ("compensate_run", "Can undo the completed steps of a run"),
            ("erase_run", "Can erase a run with all that it holds"),
            ("share_run", "Can share a run of somebody else by a link"),
            ("view_payloads", "Can see inputs, outputs and items of runs"),
        ]
        indexes = [
            models.Index(name="run_newest_of_owner", fields=["owner", "-created_at", "-id"]),
            models.Index(name="run_newest_in_state", fields=["state", "-created_at", "-id"]),
            models.Index(name="run_newest", fields=["-created_at", "-id"]),
        ]
        constraints = [
            models.UniqueConstraint(
                name="run_one_live_per_unique_key",
                fields=["owner", "workflow", "unique_key"],
                condition=Q(unique_key__isnull=False) & ~Q(state__in=sorted(RUN_TERMINAL)),
            ),
            models.CheckConstraint(
                name="run_finished_at_iff_terminal",
                condition=Q(state__in=sorted(RUN_TERMINAL), finished_at__isnull=False)
                | (~Q(state__in=sorted(RUN_TERMINAL)) & Q(finished_at__isnull=True)),
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def is_terminal(self) -> bool:
        return self.state in RUN_TERMINAL

    @property
    def trace(self) -> telemetry.Trace:
        return telemetry.of_run(self.id, self.trace_context)

    def created(self) -> Move:
        return Move(None, self.state, at=self.created_at)

    def told(self, move: Move) -> telemetry.Transition:
        since = self.created_at if move.source == RunState.PENDING else None
        if move.target in RUN_TERMINAL:
            since = self.started_at or self.created_at
        failed = move.target in (RunState.FAILED, RunState.COMPENSATION_FAILED)
        trace = self.trace
        return telemetry.Transition(
            machine="run",
            run_id=self.id,
            source=move.source,
            target=move.target,
            act=move.act,
            at=move.at,
            since=since,
            workflow=self.workflow,
            error_code=self.error["code"] if failed and self.error else None,
            trace_id=trace.trace_id,
            trace=lambda: trace,
        )

    @property
    def is_stopping(self) -> bool:
        """It takes up nothing new: a step failed, the deadline passed, or somebody cancelled it."""
        return self.state == RunState.CANCELLING or (self.state in RUN_FORWARD and self.error is not None)

    def by_deadline(self, moment: datetime) -> datetime:
        """`moment`, but never past the run's deadline while that holds: alarms are set by it."""
        if self.deadline_at is None or self.state not in RUN_FORWARD or self.is_stopping:
            return moment
        return min(moment, self.deadline_at)

    def is_overdue(self, now: datetime) -> bool:
        forward = self.state in RUN_FORWARD and not self.is_stopping
        return forward and self.deadline_at is not None and self.deadline_at <= now

    @transition(field=state, source=RunState.PENDING, target=RunState.RUNNING)
    def begin(self, *, now: datetime) -> None:
        self.started_at = now

    @transition(field=state, source=[RunState.PENDING, RunState.RUNNING], target=RunState.WAITING)
    def wait(self, *, now: datetime) -> None:
        self.started_at = self.started_at or now

    @transition(field=state, source=RunState.WAITING, target=RunState.RUNNING)
    def go_on(self) -> None:
        """Something can be worked on again."""

    @transition(field=state, source=sorted(RUN_FORWARD), target=RunState.COMPLETED)
    def complete(self, *, now: datetime) -> None:
        self.started_at = self.started_at or now
        self.finished_at, self.state_info, self.error = now, None, None

    @transition(field=state, source=sorted(RUN_FORWARD), target=RunState.FAILED)
    def fail(self, *, now: datetime) -> None:
        self.finished_at = now

    @transition(field=state, source=sorted(RUN_FORWARD), target=RunState.CANCELLING)
    def cancel(self, *, undo: bool) -> None:
        self.undoes_when_cancelled = undo
        self.state_info = None

    @transition(field=state, source=RunState.CANCELLING, target=RunState.CANCELLED)
    def end_cancelling(self, *, now: datetime) -> None:
        self.finished_at, self.error = now, None

    @transition(field=state, source=[RunState.FAILED, RunState.CANCELLED], target=RunState.RUNNING)
    def resume(self, *, deadline_at: datetime | None, now: datetime) -> None:
        """A new round: its own deadline, its own retry budget."""
        self.finished_at = self.error = self.state_info = None
        self.deadline_at, self.retry_count = deadline_at, 0
        self.undoes_when_cancelled = False  # an undo of this round is for another reason
        self.started_at = self.started_at or now

    @transition(
        field=state,
        source=[
            *sorted(RUN_FORWARD),
            RunState.CANCELLING,
            RunState.CANCELLED,
            RunState.FAILED,
            RunState.COMPLETED,
            RunState.COMPENSATION_FAILED,
        ],
        target=RunState.COMPENSATING,
    )
    def compensate(self) -> None:
        self.finished_at = self.state_info = None
        if self.state == RunState.COMPENSATION_FAILED:
            self.error, self.error_before_undo = self.error_before_undo, None

    @transition(field=state, source=RunState.COMPENSATING, target=RunState.COMPENSATED)
    def end_compensation(self, *, now: datetime) -> None:
        self.finished_at = now

    @transition(field=state, source=RunState.COMPENSATING, target=RunState.COMPENSATION_FAILED)
    def fail_compensation(self, error: dict[str, Any], *, now: datetime) -> None:
        self.finished_at = now
        self.error, self.error_before_undo = error, self.error


def trace_of(run_id: UUID) -> telemetry.Trace:
    """The trace context of a run, read once a process: it never changes."""
    return telemetry.of_run(run_id, _stored_context(run_id))


@lru_cache(maxsize=4096)
def _stored_context(run_id: UUID) -> dict[str, str] | None:
    return Run.objects.filter(pk=run_id).values_list("trace_context", flat=True).first()
