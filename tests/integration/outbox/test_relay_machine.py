"""Two relays that act step by step, and all that may happen to Redis, to the log and to the database between.

At every moment the run's stream is a contiguous piece of the log with equal events. Once the database was restored to
an earlier point, Redis is ahead until a relay looks: then it is so again, in a new epoch.
"""

from typing import Any

import redis
from django.db import transaction
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from outbox import epochs, relay, wire
from outbox.append import append
from outbox.backlog import read_backlog
from outbox.models import Entry, Stream
from outbox.publisher import Answer, RedisPublisher
from outbox.relay import Claimed, drain
from tests.factories import NOW, make_stream, messages
from tests.playing import play
from workflows.testing import FakeClock

RELAYS = st.sampled_from([0, 1])
FEW = st.integers(1, 3)


class RedisAndLog(RuleBasedStateMachine):
    """One stream. Each relay has claimed a batch, or has its answer, or neither."""

    server: "redis.Redis"
    is_restorable = False

    @initialize()
    def begin(self) -> None:
        self.server.flushall()
        self.clock = FakeClock()
        self.publisher = RedisPublisher(self.server)
        self.key = make_stream().key
        self.claimed: dict[int, list[Claimed]] = {}
        self.answered: dict[int, tuple[list[Claimed], list[Answer]]] = {}
        self.redis_backup: bytes | None = None
        self.backup: tuple[dict[str, Any], list[Entry]] | None = None
        self.is_ahead = False

    def teardown(self) -> None:
        if not hasattr(self, "key"):
            return
        if Stream.objects.get(key=self.key).head:
            self._comes_to_rest()
        Entry.objects.all().delete()
        Stream.objects.all().delete()

    def _comes_to_rest(self) -> None:
        drain(self.publisher, clock=self.clock)
        epochs.suspect(self.key)
        drain(self.publisher, clock=self.clock)
        self.is_ahead = False
        self.the_stream_is_a_piece_of_the_log()
        row = Stream.objects.get(key=self.key)
        assert (row.published, row.dirty) == (row.head, False)
        seqs = [seq for seq, _ in self._in_redis(row)]
        assert not seqs or seqs[-1] == row.head

    @rule(count=FEW)
    def write(self, count: int) -> None:
        with transaction.atomic():
            append(self.key, messages(count), now=NOW)

    @rule(number=RELAYS, limit=FEW)
    def relay_goes_on(self, number: int, limit: int) -> None:
        """Whatever this relay does next: claim, send, or settle."""
        if number in self.answered:
            batches, answers = self.answered.pop(number)
            relay._settle(self.publisher, batches, answers, clock=self.clock)
        elif number in self.claimed:
            batches = self.claimed.pop(number)
            self.answered[number] = (batches, self.publisher.publish([batch for _, batch in batches]))
        else:
            waiting = read_backlog(relay.ALL_SHARDS, now=self.clock.now(), limit=10)
            batches = list(relay._encoded([_only(stream, limit) for stream in waiting], clock=self.clock))
            if batches:
                self.claimed[number] = batches

    @rule()
    def relays_catch_up(self) -> None:
        drain(self.publisher, clock=self.clock)

    @rule(number=RELAYS)
    def crash(self, number: int) -> None:
        self.claimed.pop(number, None)
        self.answered.pop(number, None)

    @rule(what=st.sampled_from(["delete", "flush", "trim", "lose_tail", "back_up", "restore"]), count=FEW)
    def redis_suffers(self, what: str, count: int) -> None:
        name = self._name()
        match what:
            case "delete":
                self.server.delete(name)
            case "flush":
                self.server.flushall()
            case "trim":
                self.server.xtrim(name, maxlen=count - 1, approximate=False)
            case "back_up":
                self.redis_backup = self.server.dump(name)
            case "restore" if self.redis_backup:
                self.server.restore(name, 0, self.redis_backup, replace=True)
            case "lose_tail":
                rows = self.server.xrange(name)
                self.server.delete(name)
                for entry_id, fields in rows[:-count]:
                    self.server.xadd(name, fields, id=entry_id)

    @rule()
    def retention(self) -> None:
        row = Stream.objects.get(key=self.key)
        if row.published > 1:
            Entry.objects.filter(stream=row, seq__lt=row.published).delete()
            Stream.objects.filter(key=self.key).update(pruned=row.published - 1)

    @precondition(lambda self: self.is_restorable)
    @rule()
    def back_up_database(self) -> None:
        row = (
            Stream.objects.filter(key=self.key).values("head", "published", "dirty", "pruned", "epoch").get()
        )
        self.backup = (row, list(Entry.objects.filter(stream_id=self.key)))

    @precondition(lambda self: self.backup)
    @rule()
    def restore_database(self) -> None:
        assert self.backup is not None
        row, entries = self.backup
        Entry.objects.filter(stream_id=self.key).delete()
        Stream.objects.filter(key=self.key).update(**row)
        Entry.objects.bulk_create(entries)
        self.claimed.clear()  # its sessions ended with the database
        self.answered.clear()
        self.redis_backup = None  # of another history
        self.clock.turn(seconds=60)
        self.is_ahead = True

    @invariant()
    def the_stream_is_a_piece_of_the_log(self) -> None:
        if not hasattr(self, "key") or self.is_ahead:
            return
        row = Stream.objects.get(key=self.key)
        assert row.pruned <= row.published <= row.head
        found = self._in_redis(row)
        seqs = [seq for seq, _ in found]
        assert not seqs or seqs == list(range(seqs[0], seqs[-1] + 1)), seqs
        log = {entry.seq: wire.encode(wire.envelope(entry)) for entry in row.entries.all()}
        assert sorted(log) == list(range(row.pruned + 1, row.head + 1))
        assert all(log[seq] == body for seq, body in found if seq > row.pruned)
        assert not seqs or seqs[-1] <= row.head

    def _in_redis(self, row: Stream) -> list[tuple[int, bytes]]:
        rows = self.server.xrange(wire.run_stream(row.shard, row.key, row.epoch))
        return [(int(entry_id.partition(b"-")[0]), fields[b"e"]) for entry_id, fields in rows]

    def _name(self) -> str:
        row = Stream.objects.get(key=self.key)
        return wire.run_stream(row.shard, row.key, row.epoch)


class RestoredDatabase(RedisAndLog):
    is_restorable = True


def _only(stream: Any, limit: int) -> Any:
    """A batch may end anywhere."""
    return type(stream)(
        **{name: getattr(stream, name) for name in stream.__slots__ if name != "rows"},
        rows=stream.rows[:limit],
    )


def _play(machine: type[RedisAndLog], server: "redis.Redis") -> None:
    play(type(machine.__name__, (machine,), {"server": server}))


def test_whatever_happens_to_redis_a_stream_is_a_contiguous_piece_of_the_log(db, redis_client):
    _play(RedisAndLog, redis_client)


def test_a_restored_database_leaves_no_event_in_redis_that_it_does_not_have(db, redis_client):
    _play(RestoredDatabase, redis_client)
