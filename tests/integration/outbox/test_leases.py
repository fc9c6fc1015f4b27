import random
import threading
import time
from datetime import datetime
from uuid import UUID

import pytest
from django.db import connections

from outbox import wire
from outbox.clock import CLOCK
from outbox.leases import ShardLeases
from outbox.models import ShardLease

pytestmark = pytest.mark.django_db(transaction=True)

ALL = set(range(wire.SHARD_COUNT))


@pytest.fixture
def leases(clock):
    return lambda role="relay": ShardLeases(role, clock=clock)


def test_who_comes_first_holds_every_shard_and_the_second_none(leases):
    first, second = leases(), leases()
    assert first.hold() == ALL
    assert second.hold() == set()
    assert all(first.holds(shard) and not second.holds(shard) for shard in ALL)


def test_a_holder_that_is_heard_of_keeps_its_shards(leases, clock):
    first, second = leases(), leases()
    first.hold()
    for _ in range(5):
        clock.turn(seconds=6)
        assert first.hold() == ALL
        assert second.hold() == set()


def test_a_silent_holder_loses_its_shards_when_its_time_is_over(leases, clock):
    silent, second = leases(), leases()
    silent.hold()
    clock.turn(seconds=9.9)
    assert second.hold() == set()
    clock.turn(seconds=0.1)
    assert second.hold() == ALL
    assert silent.hold() == set()
    assert not any(silent.holds(shard) for shard in ALL)


def test_a_late_holder_that_nobody_missed_goes_on(leases, clock):
    only = leases()
    only.hold()
    clock.turn(seconds=3600)
    assert only.hold() == ALL


def test_what_is_released_is_free_at_once(leases):
    first, second = leases(), leases()
    first.hold()
    first.release()
    assert not first.holds(0)
    assert second.hold() == ALL
    first.release()  # again: what another one holds stays its own
    assert second.hold() == ALL


def test_two_that_want_a_half_each_share_and_keep_their_own_half(leases):
    first, second = leases(), leases()
    half = wire.SHARD_COUNT // 2
    ours, theirs = first.hold(half), second.hold(half)
    assert len(ours) == len(theirs) == half
    assert ours | theirs == ALL
    for _ in range(3):
        assert (first.hold(half), second.hold(half)) == (ours, theirs)


def test_roles_do_not_meet(leases):
    assert leases("relay").hold() == leases("consumer:invoices").hold() == ALL


def test_rows_are_made_once_however_many_start_together(leases):
    leases().hold()
    leases().hold()
    assert ShardLease.objects.count() == wire.SHARD_COUNT


def test_rows_that_a_restored_database_lacks_are_made_again(leases):
    first = leases()
    first.hold()
    ShardLease.objects.all().delete()
    assert first.hold() == ALL


def test_a_lease_is_trusted_only_as_long_as_it_lasts(leases, monkeypatch):
    now = [1_000.0]
    monkeypatch.setattr("outbox.leases.time.monotonic", lambda: now[0])
    first = leases()
    first.hold()
    now[0] += 9.9
    assert first.holds(3)
    now[0] += 0.2
    assert not first.holds(3)


def test_two_never_hold_a_shard_at_one_time_of_the_database(settings):
    """Six holders in threads, some silent for longer than their lease: their stretches never overlap."""
    settings.LONGHAUL = {**settings.LONGHAUL, "SHARD_LEASE_SECONDS": 0.08}
    stretches: list[tuple[int, datetime, datetime, UUID]] = []
    end = time.monotonic() + 3

    def live(number: int) -> None:
        chance, mine, ours = random.Random(number), ShardLeases("relay"), []
        while time.monotonic() < end:
            held = mine.hold(chance.choice([None, 2, 3]))
            since = CLOCK.now()
            for row in ShardLease.objects.filter(holder=mine.holder, shard__in=held):
                ours.append((row.shard, since, row.until, mine.holder))
            time.sleep(chance.choice([0.01, 0.02, 0.15]))
            if chance.random() < 0.2:
                gone = CLOCK.now()
                mine.release()
                stretches.extend((shard, since, min(until, gone), who) for shard, since, until, who in ours)
                mine, ours = ShardLeases("relay"), []
        stretches.extend(ours)
        connections.close_all()

    threads = [threading.Thread(target=live, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({holder for *_, holder in stretches}) > 6
    real = [stretch for stretch in stretches if stretch[1] < stretch[2]]
    for shard, since, until, holder in real:
        for there, their_since, their_until, other in real:
            if there == shard and other != holder:
                assert until <= their_since or their_until <= since
