"""A run from start to end inside a test: no broker, no Redis, no worker, no real time."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import Q
from pydantic import BaseModel

from workflows import services
from workflows.definitions import Workflow
from workflows.models import Attempt, Item, Run, Step
from workflows.states import AttemptKind, RunState, StepState
from workflows.testing.clock import FakeClock
from workflows.testing.invariants import faults_of
from workflows.testing.log import Expected, difference, name_of, read_log
from workflows.testing.worker import Worker

ACQUIRABLE = Q(state=StepState.READY) | Q(state=StepState.COMPENSATING, retry_at=None, due_at__isnull=False)
MAX_ALARMS = 1_000  # a run that has not come to rest after so many never will


class Harness(Worker):
    """Runs go on only while the test drives them, on `clock`, with what `model` was told to say."""

    def __init__(self, clock: FakeClock | None = None) -> None:
        super().__init__(clock or FakeClock())

    # --- a run's life -----------------------------------------------------------------------------------------

    def start(
        self,
        workflow: Workflow,
        *,
        input: BaseModel | Mapping[str, Any] | None = None,
        owner: User | None = None,
        **options: Any,
    ) -> Run:
        """Start a run. owner: a user named `tester` if none is given. options: those of `services.start`."""
        owner = owner or User.objects.get_or_create(username="tester")[0]
        return services.start(workflow, input=input or {}, owner=owner, clock=self.clock, **options)

    def drive(self, run: Run) -> Run:
        """Work on whatever can be worked on, until nothing can; no time passes. Returns the run as it is then."""
        refused: list[UUID] = []
        while step := self._next(run, refused):
            lease = self.acquire(step)
            if lease is None:
                refused.append(
                    step.pk
                )  # the run's deadline has come, or there is no code for it: time will tell
            else:
                self.work_on(lease)
        return Run.objects.get(pk=run.pk)

    def finish(self, run: Run) -> Run:
        """Drive, and let time pass whenever nothing can be worked on, until the run has ended.

        A wait that nobody answers runs out. Returns the run as it is then.
        """
        return self._go_on(run, until=lambda run: run.is_terminal)

    def until_waiting(self, run: Run) -> Run:
        """Drive, and let time pass, until nothing can go on without an answer. Fails when the run ends before."""
        run = self._go_on(run, until=lambda run: run.is_terminal or run.state == RunState.WAITING)
        if run.is_terminal:
            raise AssertionError(f"the run is {run.state} and waits for nothing: {run.error}")
        return run

    def _go_on(self, run: Run, *, until: Callable[[Run], bool]) -> Run:
        for _ in range(MAX_ALARMS):
            run = self.drive(run)
            if until(run):
                return run
            alarm = run.steps.filter(due_at__isnull=False).order_by("due_at").first()
            if alarm is None or alarm.due_at is None:
                raise AssertionError(f"the run is {run.state}, and no step of it has an alarm")
            self.clock.turn_to(alarm.due_at)
            self.sweep()
        raise AssertionError(f"the run does not come to rest: it is {run.state}")

    def _next(self, run: Run, refused: list[UUID]) -> Step | None:
        open_steps = run.steps.filter(ACQUIRABLE, lease_token=None).exclude(pk__in=refused)
        return open_steps.order_by("position", "index").first()

    # --- verbs ------------------------------------------------------------------------------------------------

    def signal(self, run: Run, name: str, payload: Any = None, *, by: User | None = None) -> Run:
        """Answer the wait `name`."""
        by = by or run.owner
        return services.signal(run.pk, by=by, name=name, payload=payload, clock=self.clock)

    def cancel(self, run: Run, *, undo: bool | None = None, by: User | None = None) -> Run:
        return services.cancel(run.pk, by=by or run.owner, undo=undo, clock=self.clock)

    def retry(self, run: Run, *, from_step: str | None = None, by: User | None = None) -> Run:
        return services.retry(run.pk, by=by or run.owner, from_step=from_step, clock=self.clock)

    def skip(self, run: Run, step: str, output: Any = None, *, by: User | None = None) -> Run:
        options: dict[str, Any] = {"step": step, "output": output, "reason": "a test"}
        return services.skip(run.pk, by=by or run.owner, clock=self.clock, **options)

    def compensate(self, run: Run, *, by: User | None = None) -> Run:
        """Undo the completed steps."""
        return services.compensate(run.pk, by=by or run.owner, clock=self.clock)

    # --- what came of it --------------------------------------------------------------------------------------

    def events(self, run: Run, *, seen_by: str = "public") -> list[str]:
        """The run's log as an audience sees it: `run.started`, `step.started reserve_paper` …"""
        return [name_of(entry) for entry in read_log(run, seen_by=seen_by)]

    def assert_events(self, run: Run, expected: Expected, *, seen_by: str = "public") -> None:
        """The log is `expected`: types in order, with the step after a blank where it matters; `...` is any number.

        seen_by: "public", "member" or "operator", who sees attempts and rejected items too.
        """
        parted = difference(self.events(run, seen_by=seen_by), expected)
        if parted is not None:
            raise AssertionError(f"the log is another one, as {seen_by} sees it:\n{parted}")

    def attempts(self, run: Run, step: str, *, undo: bool = False) -> list[str]:
        """The states of all attempts at a step, in order: `["lost", "completed"]`."""
        kind = AttemptKind.UNDO if undo else AttemptKind.FORWARD
        tries = Attempt.objects.filter(step__run=run, step__name=step, kind=kind).order_by("number")
        return [str(state) for state in tries.values_list("state", flat=True)]

    def items(self, run: Run, step: str | None = None) -> list[Any]:
        """The current items as JSON, in the order of their events."""
        rows = Item.objects.current().filter(run=run).order_by("seq")
        return list((rows.filter(step__name=step) if step else rows).values_list("data", flat=True))

    def messages(self, run: Run) -> list[str]:
        """What `ctx.say` told, in order."""
        log = read_log(run, seen_by="public")
        return [entry.payload["text"] for entry in log if entry.type == "message"]

    def states(self, run: Run) -> dict[str, str]:
        """Step name → state, parts of fan-outs included."""
        rows = run.steps.order_by("position", "index").values_list("name", "state")
        return {name: str(state) for name, state in rows}

    def check(self, run: Run) -> None:
        """Raises AssertionError with each rule that the run breaks: whatever died, there is none."""
        broken = faults_of(run)
        if broken:
            raise AssertionError(f"run {run.pk} is not whole: " + "; ".join(broken))
