"""Who works on which shard now: rows with a time limit, on the database's clock.

A lease saves double work and keeps the order in which a group's entries are handled. Correctness never rests on it: a
holder may sleep past its end and wake up in the middle of its work, so what it does is guarded where it is written.
"""

import time
from collections.abc import Sequence
from datetime import timedelta
from uuid import uuid4

from django.db import models, transaction
from django.db.models import BooleanField, Case, Q, Value, When

from outbox import wire
from outbox.clock import CLOCK, Clock
from outbox.conf import conf
from outbox.models import ShardLease


class ShardLeases:
    """The shards that this object holds for `role`. For one thread; each object is a holder of its own.

    Call `hold()` every few seconds, well within `shard_lease_seconds`: it renews what is held and claims what is free.
    """

    def __init__(self, role: str, *, clock: Clock = CLOCK) -> None:
        self.role = role
        self.holder = uuid4()
        self._clock = clock
        self._held: frozenset[int] = frozenset()
        self._trusted_until = 0.0

    def hold(self, limit: int | None = None) -> set[int]:
        """Renew, and claim free or expired shards up to `limit` in all (None: any number). Returns what is held.

        Raises what Django raises while the database is away; then `holds()` goes on to be true up to the time limit.
        """
        begun = time.monotonic()  # before the database reads its clock: our trust ends before its lease does
        ttl = conf().shard_lease_seconds
        held = self._claim(limit, ttl)
        if not held and self._make_rows():
            held = self._claim(limit, ttl)
        self._held, self._trusted_until = frozenset(held), begun + ttl
        return set(held)

    def holds(self, shard: int) -> bool:
        """Whether the last `hold()` gave us `shard` and its time is not over. Costs no query."""
        return shard in self._held and time.monotonic() < self._trusted_until

    def release(self) -> None:
        """Give everything back at once, for whoever asks next."""
        self._held = frozenset()
        self._rows().filter(holder=self.holder).update(holder=None, until=None)

    def _claim(self, limit: int | None, ttl: float) -> Sequence[int]:
        """Two statements in one transaction rather than one UPDATE: that would lock the rows in any order, and two
        holders that start together would deadlock. A row that is locked just now has somebody: it is skipped.

        The time is read before the lock, so it may only be too early: less is claimed then, never too much.
        """
        with transaction.atomic():
            now = self._clock.now()
            free = Q(holder__isnull=True) | Q(until__lte=now) | Q(holder=self.holder)
            is_ours = Case(
                When(holder=self.holder, then=Value(True)), default=Value(False), output_field=BooleanField()
            )
            rows = self._rows().filter(free).order_by(is_ours.desc(), "shard")
            taken = dict(rows.select_for_update(skip_locked=True).values_list("pk", "shard")[:limit])
            if taken:
                until = now + timedelta(seconds=ttl)
                ShardLease.objects.filter(pk__in=taken).update(holder=self.holder, until=until)
        return sorted(taken.values())

    def _make_rows(self) -> bool:
        """Make the rows of a role that has none yet; False if it has."""
        if self._rows().exists():
            return False
        rows = [ShardLease(role=self.role, shard=shard) for shard in range(wire.SHARD_COUNT)]
        ShardLease.objects.bulk_create(rows, ignore_conflicts=True)  # another holder may do so just now
        return True

    def _rows(self) -> "models.QuerySet[ShardLease]":
        return ShardLease.objects.filter(role=self.role)
