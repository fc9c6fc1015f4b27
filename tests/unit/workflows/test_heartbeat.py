from uuid import uuid4

import pytest

from workflows.engine.lease import Lease
from workflows.engine.retry import RetryPolicy
from workflows.execution.heartbeat import Heartbeat
from workflows.states import AttemptKind


@pytest.fixture
def lease() -> Lease:
    return Lease(
        step_id=uuid4(),
        run_id=uuid4(),
        step_name="x",
        workflow="x",
        version=1,
        token=uuid4(),
        kind=AttemptKind.FORWARD,
        number=1,
        policy=RetryPolicy(max_attempts=1, base=1, cap=1),
    )


class Database:
    """What a renewal meets, and the time."""

    def __init__(self) -> None:
        self.now, self.is_away, self.lost, self.renewed = 0.0, False, set(), 0

    def renew(self, leases):
        if self.is_away:
            raise OSError("away")
        self.renewed += len(leases)
        return self.lost

    def heartbeat(self) -> Heartbeat:
        return Heartbeat(self.renew, interval=lambda: 10.0, lease=lambda: 30.0, clock=lambda: self.now)


def test_a_beat_renews_what_is_held_and_nothing_after(lease):
    database = Database()
    heartbeat = database.heartbeat()
    with heartbeat.hold(lease) as lost:
        heartbeat.beat()
        assert not lost.is_set()
    heartbeat.beat()
    assert database.renewed == 1


def test_a_lease_that_was_given_to_another_is_noticed(lease):
    database = Database()
    heartbeat = database.heartbeat()
    with heartbeat.hold(lease) as lost:
        database.lost = {lease.token}
        heartbeat.beat()
        assert lost.is_set()


def test_one_beat_that_failed_costs_nothing(lease):
    database = Database()
    heartbeat = database.heartbeat()
    with heartbeat.hold(lease) as lost:
        database.is_away, database.now = True, 10.0
        heartbeat.beat()
        assert not lost.is_set()


def test_a_lease_that_cannot_be_renewed_is_given_up_before_another_may_have_it(lease):
    database = Database()
    heartbeat = database.heartbeat()
    with heartbeat.hold(lease) as lost:
        database.is_away, database.now = True, 20.0
        heartbeat.beat()
        assert lost.is_set()
