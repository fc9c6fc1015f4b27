"""Locks, fences and recurring questions, each in one place."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import models
from django.db.models import Window
from django.db.models.functions import RowNumber

from workflows import telemetry
from workflows.errors import LeaseLost
from workflows.states import StepState

if TYPE_CHECKING:
    from workflows.models.run import Run
    from workflows.models.step import Step


class HasLabel(models.Func):
    """Whether a JSON object of texts has this member. Django's key lookups take a name of digits for an index."""

    output_field = models.BooleanField()

    def __init__(self, labels: str, name: str, value: str) -> None:
        super().__init__(labels)
        self.name, self.value = name, value

    def as_sqlite(self, compiler: Any, connection: Any, **_: Any) -> tuple[str, tuple[Any, ...]]:
        column, params = compiler.compile(self.source_expressions[0])
        return (
            f"EXISTS (SELECT 1 FROM json_each({column}) AS label WHERE label.key = %s AND label.value = %s)",  # noqa: S608
            (*params, self.name, self.value),
        )

    def as_postgresql(self, compiler: Any, connection: Any, **_: Any) -> tuple[str, tuple[Any, ...]]:
        column, params = compiler.compile(self.source_expressions[0])
        return f"({column} @> %s::jsonb)", (*params, json.dumps({self.name: self.value}))


class RunQuerySet(models.QuerySet["Run"]):
    def locked(self, run_id: UUID, *, waits: bool = True) -> "Run":
        """The run, its row locked to the commit: the first lock of every transition. Raises Run.DoesNotExist.

        waits: False, and a run that somebody has locked is one that does not exist.
        NO KEY: inserts of rows that refer to the run must not wait for it. On SQLite the transaction is the lock.
        """
        return self.select_for_update(no_key=True, skip_locked=not waits).get(pk=run_id)

    def labelled(self, name: str, value: str) -> "RunQuerySet":
        return self.filter(HasLabel("labels", name, value))

    def visible_to(self, user: Any) -> "RunQuerySet":
        """The one door: what this user may see. Staff see all, an owner their own, nobody else anything."""
        if not getattr(user, "is_active", False):
            return self.none()
        return self.all() if user.is_staff else self.filter(owner=user)


class StepQuerySet(models.QuerySet["Step"]):
    def locked(self, run_id: UUID) -> "list[Step]":
        """The steps of a run's plan in order of position, locked. Call it with the run's lock held.

        Not the parts of fan-outs, of which there may be thousands: whoever acts on one locks that one. Outputs may be
        large and are rarely wanted: a deferred column is neither read nor written back.
        """
        steps = self.select_for_update(no_key=True).filter(run_id=run_id, parent__isnull=True)
        return list(steps.defer("output", "item").order_by("position"))

    def locked_part(self, step_id: UUID) -> "Step":
        """One part of a fan-out, locked; its run's lock is held. Raises Step.DoesNotExist."""
        return self.select_for_update(no_key=True).defer("output", "item").get(pk=step_id)

    def held_parts(self, fan_out: "Step") -> "list[Step]":
        """The parts of a fan-out that workers hold, locked; its run's lock is held."""
        parts = self.select_for_update(no_key=True).filter(parent=fan_out, lease_token__isnull=False)
        return list(parts.defer("output", "item").order_by("index"))

    def under_lock(self, steps: "list[Step]", step_id: UUID) -> "Step":
        """The step of this id: one of `steps`, else a part, which is locked now. Raises Step.DoesNotExist."""
        for step in steps:
            if step.id == step_id:
                return step
        return self.locked_part(step_id)

    def set_start(self, run_id: UUID, *, due_at: datetime, position: int = 0) -> None:
        """A run that begins later: its first step rings, still pending."""
        self.filter(run_id=run_id, position=position, parent__isnull=True).update(due_at=due_at)

    def bulk_create(self, objs: "Iterable[Step]", *args: Any, **options: Any) -> "list[Step]":
        """As ever; steps that come with moves behind them (taken over from another run) are told."""
        created = super().bulk_create(objs, *args, **options)
        for step in created:
            step.tell_moves()
        return created

    # The parts of a fan-out move together in one statement, guarded by their states as the machine declares them, and
    # told in one line.

    def open_parts(self, fan_out: "Step", *, due_at: datetime, now: datetime) -> int:
        """All pending parts become acquirable. Returns how many."""
        pending = self.filter(parent=fan_out, state=StepState.PENDING)
        return pending._move(fan_out, StepState.READY, due_at=due_at, ready_at=now, dispatch_count=0)

    def put_back_parts(self, fan_out: "Step") -> int:
        """All parts that no worker holds wait for another round of their run. Returns how many."""
        unheld = self.filter(parent=fan_out, state__in=[StepState.READY, StepState.RETRYING])
        return unheld._move(fan_out, StepState.PENDING, due_at=None, ready_at=None, dispatch_count=0)

    def cancel_parts(self, fan_out: "Step", *, now: datetime, from_index: int = 0) -> int:
        """All pending parts are cancelled, or those from an index on. Returns how many."""
        pending = self.filter(parent=fan_out, state=StepState.PENDING, index__gte=from_index)
        return pending._move(fan_out, StepState.CANCELLED, finished_at=now)

    def reset_parts(self, fan_out: "Step", *, attempts: int, completed_too: bool) -> int:
        """All parts that are not done, or all, are to be done (again); see `Step.reset`. Returns how many."""
        states = [StepState.PENDING, StepState.FAILED, StepState.CANCELLED]
        if completed_too:
            done = self.filter(parent=fan_out, state=StepState.COMPLETED)
            done.update(outcome_unknown=True)
            states += [StepState.COMPLETED, StepState.SKIPPED]
        return self.filter(parent=fan_out, state__in=states)._move(
            fan_out,
            StepState.PENDING,
            max_attempts=models.F("attempt_count") + attempts,
            started_at=None,
            finished_at=None,
            error=None,
            state_info=None,
            progress=None,
        )

    def skip_parts(self, fan_out: "Step", *, now: datetime) -> int:
        """All parts that are not done are skipped with their fan-out. Returns how many."""
        left = [StepState.PENDING, StepState.FAILED, StepState.CANCELLED]
        skipped = self.filter(parent=fan_out, state__in=left)
        return skipped._move(fan_out, StepState.SKIPPED, finished_at=now, error=None)

    def compensate_parts(self, fan_out: "Step", *, attempts: int, due_at: datetime, now: datetime) -> int:
        """All parts that may have had their effect, or whose undo failed, are opened for it. Returns how many."""
        ended = [StepState.PENDING, StepState.FAILED, StepState.CANCELLED, StepState.SKIPPED]
        effect = models.Q(state=StepState.COMPLETED) | models.Q(state__in=ended, outcome_unknown=True)
        wanted = effect | models.Q(state=StepState.COMPENSATION_FAILED)
        return self.filter(wanted, parent=fan_out, has_undo=True)._move(
            fan_out,
            StepState.COMPENSATING,
            max_undo_attempts=models.F("undo_count") + attempts,
            due_at=due_at,
            ready_at=now,
            retry_at=None,
            dispatch_count=0,
            finished_at=None,
            error=None,
            state_info=None,
            progress=None,
        )

    def _move(self, fan_out: "Step", target: StepState, **values: Any) -> int:
        """Write `target` and `values` to these parts of `fan_out`. Returns to how many."""
        count = self.update(state=target, **values)
        if count:
            telemetry.announce(
                telemetry.Transition(
                    machine="parts",
                    run_id=fan_out.run_id,
                    step=fan_out.name,
                    target=target,
                    parts=count,
                    trace=fan_out.read_trace,
                )
            )
        return count

    def fence(self, step_id: UUID, token: UUID, **values: Any) -> None:
        """Write `values` as the bearer of `token`; the UPDATE also locks the row to the commit.

        Raises LeaseLost when the step belongs to another attempt by now: roll back and stop.
        """
        if not self.filter(pk=step_id, lease_token=token).update(lease_token=token, **values):
            raise LeaseLost(f"the lease on step {step_id} was given to another attempt")

    def fenced(self, step_id: UUID, token: UUID) -> "Step":
        """The step, locked, after proving that `token` still holds it. Raises LeaseLost."""
        self.fence(step_id, token)
        return self.defer("output", "item").get(pk=step_id)

    def due(self, *, now: datetime) -> "StepQuerySet":
        """The alarm clock: whatever must be looked at, in turns: of each run the longest overdue first, then the next.

        One run with thousands of due parts, or one that is locked, must not keep the alarms of all others from ringing.
        """
        turn = Window(RowNumber(), partition_by="run_id", order_by="due_at")
        return self.filter(due_at__lte=now).annotate(turn=turn).order_by("turn", "due_at")

    def look_later(self, step: "Step", *, ready_after: datetime, due_at: datetime) -> int:
        """What waits for a worker beside `step`, sent as often, younger than `ready_after`: look at all of it later.

        One statement for thousands of parts, whose run is locked.
        """
        beside = self.filter(
            run_id=step.run_id, queue=step.queue, state=step.state, dispatch_count=step.dispatch_count
        )
        waiting = beside.filter(
            lease_token=None, retry_at=None, due_at__isnull=False, ready_at__gt=ready_after
        )
        return waiting.update(due_at=due_at)


RunManager = models.Manager.from_queryset(RunQuerySet)
StepManager = models.Manager.from_queryset(StepQuerySet)
