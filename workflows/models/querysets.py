"""Locks, fences and recurring questions, each in one place."""

from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import models

from workflows.errors import LeaseLost

if TYPE_CHECKING:
    from workflows.models.run import Run
    from workflows.models.step import Step


class RunQuerySet(models.QuerySet["Run"]):
    def locked(self, run_id: UUID) -> "Run":
        """The run, its row locked to the commit: the first lock of every transition. Raises Run.DoesNotExist.

        NO KEY: inserts of rows that refer to the run must not wait for it. On SQLite the transaction is the lock.
        """
        return self.select_for_update(no_key=True).get(pk=run_id)

    def visible_to(self, user: Any) -> "RunQuerySet":
        """The one door: what this user may see. Staff see all, an owner their own, nobody else anything."""
        if not getattr(user, "is_active", False):
            return self.none()
        return self.all() if user.is_staff else self.filter(owner=user)


class StepQuerySet(models.QuerySet["Step"]):
    def locked(self, run_id: UUID) -> "list[Step]":
        """All steps of a run in order of position, locked. Call it with the run's lock held.

        Outputs may be large and are rarely wanted: a deferred column is neither read nor written back.
        """
        steps = self.select_for_update(no_key=True).filter(run_id=run_id)
        return list(steps.defer("output").order_by("position"))

    def fence(self, step_id: UUID, token: UUID, **values: Any) -> None:
        """Write `values` as the bearer of `token`; the UPDATE also locks the row to the commit.

        Raises LeaseLost when the step belongs to another attempt by now: roll back and stop.
        """
        if not self.filter(pk=step_id, lease_token=token).update(lease_token=token, **values):
            raise LeaseLost(f"the lease on step {step_id} was given to another attempt")

    def fenced(self, step_id: UUID, token: UUID) -> "Step":
        """The step, locked, after proving that `token` still holds it. Raises LeaseLost."""
        self.fence(step_id, token)
        return self.get(pk=step_id)

    def due(self, *, now: datetime) -> "StepQuerySet":
        """The alarm clock: whatever must be looked at, longest overdue first."""
        return self.filter(due_at__lte=now).order_by("due_at")


RunManager = models.Manager.from_queryset(RunQuerySet)
StepManager = models.Manager.from_queryset(StepQuerySet)
