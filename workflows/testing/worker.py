"""A worker and a sweeper under the test's hand."""

from collections.abc import Callable
from uuid import UUID

from workflows.engine.lease import Lease
from workflows.engine.outcomes import Fenced, Outcome, Settleable
from workflows.errors import LeaseLost
from workflows.execution import executor
from workflows.execution.signals import Signals
from workflows.models import Step
from workflows.services import leases
from workflows.services.records import LeasedRecords
from workflows.services.settling import settle_for_certain
from workflows.services.sweep import sweep
from workflows.states import AttemptKind
from workflows.testing.clock import FakeClock
from workflows.testing.faults import MOMENTS, Act, Died, Fault, FaultKind, Meeting, die
from workflows.testing.model import ScriptedModel


class Worker:
    """Each method is one thing that a process of the engine does, at the time of `clock`.

    holder: the name under which it takes leases; a process of no host, so that nobody looks whether it lives.
    roll: the draw for every back-off, in [0, 1).
    """

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.model = ScriptedModel()
        self.holder = "test-host/1:1:1.00"
        self.roll = 0.5
        self._faults: list[Fault] = []

    def acquire(self, step: Step) -> Lease | None:
        """Take the step. None: there is nothing to do."""
        return leases.acquire(step.id, holder=self.holder, clock=self.clock, roll=self.roll)

    def execute(self, lease: Lease, *, signals: Signals | None = None) -> Outcome:
        """Run the body. Its items are committed one by one, in this thread."""
        return executor.run(
            lease,
            records=LeasedRecords(lease, clock=self.clock),
            signals=signals or Signals(),
            model=lambda: self.model,
            item_by_item=True,
        )

    def settle(self, lease: Lease, outcome: Outcome) -> list[UUID]:
        """Record what the attempt came to. Returns the steps that it opened. Raises LeaseLost."""
        return self._settle(lease, outcome)[1]

    def work(self, step: Step) -> Outcome | None:
        """All that a worker does with one message, with the faults that wait for the step.

        None: there was nothing to do, or the worker died on the way. Fenced: it lost its lease.
        """
        lease = self.acquire(step)
        return None if lease is None else self.work_on(lease)

    def work_on(self, lease: Lease) -> Outcome | None:
        """The rest of it, once the step is taken."""
        try:
            return self._meet(Meeting(lease, [fault for fault in self._faults if fault.concerns(lease)]))
        except Died:
            return None

    def fault(
        self, step: str, kind: FaultKind, *, times: int = 1, after_items: int = 0, undo: bool = False
    ) -> None:
        """Let this happen to the next attempt of `step`, or the next `times`; docs/testing.md says what each kind is.

        after_items: for `die_in_body` and `lose_lease`, only once so many items are committed. undo: to attempts of its
        undo. Raises ValueError for an unknown kind.
        """
        if kind not in MOMENTS:
            raise ValueError(f"no fault {kind!r}; there are {', '.join(MOMENTS)}")
        acts: dict[FaultKind, Act] = {"deliver_twice": self._deliver_again, "lose_lease": self.lose}
        for moment in MOMENTS[kind]:
            self._faults.append(
                Fault(
                    name=kind,
                    step=step,
                    kind=AttemptKind.UNDO if undo else AttemptKind.FORWARD,
                    moment=moment,
                    act=acts.get(kind, die),
                    after_items=after_items,
                    times=times,
                )
            )

    def during(self, step: str, act: Callable[[], object], *, after_items: int = 0) -> None:
        """Do `act` in the middle of the next attempt of `step`, for example `lambda: longhaul.cancel(run)`."""
        forward = AttemptKind.FORWARD
        self._faults.append(
            Fault("during", step, forward, "in_body", act=lambda _: act(), after_items=after_items)
        )

    def expect_no_fault_left(self) -> None:
        """Raises AssertionError for what never happened: such a test proves nothing. The fixture calls it."""
        left = {str(fault) for fault in self._faults if fault.times > 0}
        if left:
            raise AssertionError(f"never happened: {', '.join(sorted(left))}")

    def sweep(self, *, after_seconds: float = 0) -> int:
        """Let time pass, then take up what is due. Returns how many steps that were."""
        self.clock.turn(after_seconds)
        return sweep(clock=self.clock, roll=lambda: self.roll)

    def lose(self, lease: Lease) -> None:
        """Nobody renews the lease: time passes until it is over, and the sweeper takes the step back."""
        held = Step.objects.filter(lease_token=lease.token).first()
        if held is not None and held.lease_expires_at is not None:
            self.clock.turn_to(held.lease_expires_at)
        self.sweep()

    def _meet(self, meeting: Meeting) -> Outcome:
        lease = meeting.lease
        meeting.reach("before_body")
        with meeting.in_body():
            outcome = self.execute(lease, signals=meeting.signals)
        meeting.end_body()
        try:
            with meeting.settling():
                outcome, _ = self._settle(lease, outcome)
        except LeaseLost:
            return Fenced()
        meeting.reach("after_settling")
        return outcome

    def _deliver_again(self, lease: Lease) -> None:
        """The message comes a second time, to another worker."""
        twin = leases.acquire(lease.step_id, holder="test-host/2:1:1.00", clock=self.clock, roll=self.roll)
        if twin is not None:
            raise AssertionError(
                f"two workers have {lease.step_name}: attempts {lease.number} and {twin.number}"
            )

    def _settle(self, lease: Lease, outcome: Outcome) -> tuple[Settleable, list[UUID]]:
        if isinstance(outcome, Fenced):
            raise LeaseLost(f"{lease.step_name}: the step belongs to another attempt now")
        return settle_for_certain(lease, outcome, clock=self.clock, roll=self.roll)
