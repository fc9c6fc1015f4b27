from uuid import uuid4

import pytest

from workflows.engine.lease import Lease
from workflows.engine.retry import RetryPolicy
from workflows.errors import LeaseLost, RunCancelled
from workflows.execution.heartbeat import Heartbeat, Pace
from workflows.states import AttemptKind
from workflows.telemetry import Trace


@pytest.fixture
def lease() -> Lease:
    return Lease(
        step_id=uuid4(),
        run_id=uuid4(),
        step_name="x",
        handler="x",
        workflow="x",
        version=1,
        token=uuid4(),
        kind=AttemptKind.FORWARD,
        number=1,
        policy=RetryPolicy(max_attempts=1, base=1, cap=1),
        trace=Trace(trace_id="1" * 32, span_id="1" * 16),
    )


class Database:
    """What a beat meets, and the time."""

    def __init__(self) -> None:
        self.now, self.is_away, self.lost, self.stopped = 0.0, False, set(), set()
        self.renewed, self.looks, self.abandoned = 0, 0, []

    def renew(self, leases):
        self._answer()
        self.renewed += len(leases)
        return self.lost

    def cancelled(self, leases):
        self._answer()
        self.looks += 1
        return self.stopped

    def _answer(self):
        if self.is_away:
            raise OSError("away")

    def heartbeat(self) -> Heartbeat:
        pace = Pace(poll=lambda: 1.0, renewal=lambda: 10.0, lease=lambda: 30.0)
        return Heartbeat(
            self,
            pace=pace,
            abandoned=lambda ages, working: self.abandoned.append((list(ages), working)),
            clock=lambda: self.now,
        )


def test_a_lease_is_renewed_when_it_is_time_and_cancelled_runs_are_looked_for_at_every_beat(lease):
    database = Database()
    heartbeat = database.heartbeat()
    with heartbeat.hold(lease, since=0.0) as signals:
        for second in range(1, 11):
            database.now = float(second)
            heartbeat.beat()
        assert not signals.is_lost
    heartbeat.beat()
    assert (database.renewed, database.looks) == (1, 10)


def test_a_lease_that_was_given_to_another_is_noticed(lease):
    database = Database()
    heartbeat = database.heartbeat()
    with heartbeat.hold(lease, since=0.0) as signals:
        database.lost, database.now = {lease.token}, 10.0
        heartbeat.beat()
        with pytest.raises(LeaseLost):
            signals.check("x")


def test_a_cancelled_run_is_noticed_by_the_next_call_of_the_handler(lease):
    database = Database()
    heartbeat = database.heartbeat()
    with heartbeat.hold(lease, since=0.0) as signals:
        signals.check("x")
        database.stopped = {lease.token}
        heartbeat.beat()
        with pytest.raises(RunCancelled):
            signals.check("x")


def test_one_beat_that_failed_costs_nothing(lease):
    database = Database()
    heartbeat = database.heartbeat()
    with heartbeat.hold(lease, since=0.0) as signals:
        database.is_away, database.now = True, 10.0
        heartbeat.beat()
        assert not signals.is_lost


def test_a_lease_that_was_not_renewed_ends_for_its_handler_when_it_ends_for_the_others(lease):
    database = Database()
    heartbeat = database.heartbeat()
    with heartbeat.hold(lease, since=5.0) as signals:
        database.now = 34.9
        assert not signals.is_lost
        database.now = 35.0  # no beat has come through, not even one that could say so
        assert signals.is_lost


def test_a_renewal_counts_from_the_moment_when_it_was_asked_for(lease):
    database = Database()
    heartbeat = database.heartbeat()
    with heartbeat.hold(lease, since=0.0) as signals:
        database.now = 10.0
        heartbeat.beat()
        database.now = 39.9
        assert not signals.is_lost
        database.now = 40.0
        assert signals.is_lost


def test_a_body_that_works_on_without_its_lease_is_told_with_its_age(lease):
    database = Database()
    heartbeat = database.heartbeat()
    with heartbeat.hold(lease, since=0.0):
        database.lost, database.now = {lease.token}, 10.0
        heartbeat.beat()
        database.now = 25.0
        heartbeat.beat()
    heartbeat.beat()
    assert database.abandoned == [([0.0], 0), ([15.0], 0), ([], 0)]
