"""One try at a step."""

from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import Q

from workflows import telemetry
from workflows.models.machine import FSMField, Move, StateMachine, transition
from workflows.models.step import Step
from workflows.states import AttemptKind, AttemptState


class Attempt(StateMachine):
    """One try, forward or undo: numbered from 1 within its kind, never reused, kept as history."""

    step = models.ForeignKey(Step, on_delete=models.CASCADE, related_name="attempts")
    kind = models.CharField(max_length=16, choices=AttemptKind.choices)
    number = models.PositiveIntegerField()
    state = FSMField(choices=AttemptState.choices, default=AttemptState.RUNNING, protected=True)
    worker = models.CharField(max_length=200)  # the holder: host, pid, process start
    error = models.JSONField(null=True, blank=True)
    usage = models.JSONField(
        default=dict, blank=True
    )  # of models, as the meter counts it; empty: none was asked
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["started_at", "id"]
        constraints = [
            models.UniqueConstraint(name="attempt_one_per_number", fields=["step", "kind", "number"]),
            models.UniqueConstraint(
                name="attempt_one_running_per_step", fields=["step"], condition=Q(state=AttemptState.RUNNING)
            ),
            models.CheckConstraint(
                name="attempt_finished_at_iff_ended",
                condition=Q(state=AttemptState.RUNNING, finished_at__isnull=True)
                | (~Q(state=AttemptState.RUNNING) & Q(finished_at__isnull=False)),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.number} of {self.step_id}"

    @property
    def duration_seconds(self) -> float:
        """How long it took; 0 while it runs."""
        return 0.0 if self.finished_at is None else (self.finished_at - self.started_at).total_seconds()

    def created(self) -> Move:
        return Move(None, self.state, at=self.started_at)

    def told(self, move: Move) -> telemetry.Transition:
        """Its step is at hand: it was made, or found, through it."""
        return telemetry.Transition(
            machine="attempt",
            run_id=self.step.run_id,
            step=self.step.name,
            step_id=self.step_id,
            attempt=self.number,
            kind=self.kind,
            source=move.source,
            target=move.target,
            act=move.act,
            at=move.at,
            since=None if move.source is None else self.started_at,
            error_code=self.error["code"] if self.error else None,
            trace=self.step.read_trace,
        )

    @transition(field=state, source=AttemptState.RUNNING, target=AttemptState.COMPLETED)
    def complete(self, usage: dict[str, Any], *, now: datetime) -> None:
        self.usage, self.finished_at = usage or self.usage, now

    @transition(field=state, source=AttemptState.RUNNING, target=AttemptState.FAILED)
    def fail(self, error: dict[str, Any], usage: dict[str, Any], *, now: datetime) -> None:
        self.error, self.usage, self.finished_at = error, usage or self.usage, now

    @transition(field=state, source=AttemptState.RUNNING, target=AttemptState.TIMED_OUT)
    def time_out(self, error: dict[str, Any], *, now: datetime) -> None:
        self.error, self.finished_at = error, now

    @transition(field=state, source=AttemptState.RUNNING, target=AttemptState.LOST)
    def lose(self, error: dict[str, Any], *, now: datetime) -> None:
        self.error, self.finished_at = error, now

    @transition(field=state, source=AttemptState.RUNNING, target=AttemptState.CANCELLED)
    def cancel(self, usage: dict[str, Any], *, now: datetime) -> None:
        self.usage, self.finished_at = usage or self.usage, now
