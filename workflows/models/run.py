"""One execution of a definition."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from uuid_utils.compat import uuid7

from workflows.models.machine import ConcurrentTransitionMixin, FSMField, transition
from workflows.models.querysets import RunManager
from workflows.states import RUN_TERMINAL, RunState


class Run(ConcurrentTransitionMixin, models.Model):
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
    input = models.JSONField()
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="runs")
    title = models.CharField(max_length=200)
    labels = models.JSONField(default=dict, blank=True)
    error = models.JSONField(null=True, blank=True)  # engine.outcomes.ErrorInfo of the step at fault
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)  # end of the last round

    objects = RunManager()

    class Meta:
        permissions = [
            ("retry_run", "Can retry a failed run"),
            ("compensate_run", "Can undo the completed steps of a run"),
            ("view_payloads", "Can see inputs, outputs and items of runs"),
        ]
        indexes = [
            models.Index(name="run_newest_of_owner", fields=["owner", "-created_at", "-id"]),
            models.Index(name="run_newest_in_state", fields=["state", "-created_at", "-id"]),
            models.Index(name="run_newest", fields=["-created_at", "-id"]),
        ]
        constraints = [
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

    @transition(field=state, source=RunState.PENDING, target=RunState.RUNNING)
    def begin(self, *, now: datetime) -> None:
        self.started_at = now

    @transition(field=state, source=RunState.RUNNING, target=RunState.COMPLETED)
    def complete(self, *, now: datetime) -> None:
        self.finished_at, self.state_info, self.error = now, None, None

    @transition(field=state, source=RunState.RUNNING, target=RunState.FAILED)
    def fail(self, error: dict[str, Any], *, now: datetime) -> None:
        self.finished_at, self.error = now, error

    @transition(field=state, source=RunState.FAILED, target=RunState.RUNNING)
    def resume(self) -> None:
        self.finished_at = self.error = self.state_info = None

    @transition(
        field=state,
        source=[RunState.RUNNING, RunState.FAILED, RunState.COMPLETED, RunState.COMPENSATION_FAILED],
        target=RunState.COMPENSATING,
    )
    def compensate(self) -> None:
        self.finished_at = self.state_info = None

    @transition(field=state, source=RunState.COMPENSATING, target=RunState.COMPENSATED)
    def end_compensation(self, *, now: datetime) -> None:
        self.finished_at = now

    @transition(field=state, source=RunState.COMPENSATING, target=RunState.COMPENSATION_FAILED)
    def fail_compensation(self, error: dict[str, Any], *, now: datetime) -> None:
        self.finished_at, self.error = now, error
