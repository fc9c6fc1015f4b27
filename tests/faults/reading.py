"""A service that reads the firehose: how far it is in each run, what it was told, and the log for what it was not."""

import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import redis
from django.db import connection

from outbox import wire
from outbox.models import Entry, Stream
from outbox.redis import client

POLL_SECONDS = 0.01


class Reader:
    """Reads every shard from where it stands now, through restarts and losses, in a thread of its own."""

    def __init__(self) -> None:
        self._redis = client(timeout_seconds=1.0)
        self._at = {wire.firehose(shard): b"0-0" for shard in range(wire.SHARD_COUNT)}
        for key in self._at:
            for identifier, _ in self._redis.xrevrange(key, count=1):
                self._at[key] = identifier
        # Of each run what came, in order: (epoch, seq, envelope).
        self._told: dict[UUID, list[tuple[int, int, bytes]]] = defaultdict(list)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._read, name="reader", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._done.set()
        self._thread.join()

    def faults_of(self, run: UUID) -> Iterator[str]:
        """I9 and I10, as seen by a service: first tellings in order, nothing but the log; with the log, all of it."""
        log = {entry.seq: wire.encode(wire.envelope(entry)) for entry in Entry.objects.filter(stream_id=run)}
        epoch = Stream.objects.get(key=run).epoch
        seen = 0
        for _, seq, event in self._told[run]:
            if seq > seen + 1 and any(missed not in log for missed in range(seen + 1, seq)):
                yield f"I10: after event {seen} the firehose went on with {seq}, and the log lacks what is between"
            if event != log.get(seq):
                yield f"I9: the firehose tells another event {seq} than the log"
            seen = max(seen, seq)
        firsts = list(dict.fromkeys(seq for number, seq, _ in self._told[run] if number == epoch))
        if firsts != sorted(firsts):
            yield f"I9: the firehose tells of events in the order {firsts}"

    def missed(self, run: UUID) -> list[int]:
        """What only the log told of a run."""
        told = {seq for _, seq, _ in self._told[run]}
        return [seq for seq in range(1, Stream.objects.get(key=run).head + 1) if seq not in told]

    def _read(self) -> None:
        while True:
            is_last = self._done.is_set()
            try:
                found = self._redis.xread(self._at)
            except redis.RedisError:
                found = []
            for key, entries in found:
                for identifier, fields in entries:
                    self._take(fields)
                    self._at[key.decode()] = identifier
            if is_last:
                return
            time.sleep(POLL_SECONDS)

    def _take(self, fields: dict[bytes, bytes]) -> None:
        run = UUID(fields[b"run"].decode())
        event = fields.get(b"e", fields.get(b"stub", b""))
        self._told[run].append((int(fields[b"epoch"]), int(fields[b"seq"]), event))


@contextmanager
def reading() -> Iterator[Reader]:
    reader = Reader()
    try:
        yield reader
    finally:
        reader.stop()


def in_redis(run: UUID) -> list[int]:
    """The numbers that the run's stream in Redis has."""
    stream = Stream.objects.get(key=run)
    return [int(id_.partition(b"-")[0]) for id_, _ in client().xrange(_name(stream))]


def head(run: UUID) -> int:
    return int(Stream.objects.get(key=run).head)


def is_in_redis(run: UUID) -> bool:
    """Whether Redis has the run's newest event."""
    return in_redis(run)[-1:] == [head(run)]


def is_published(run: UUID) -> bool:
    """Whether the relay says so, and has nothing to do."""
    stream = Stream.objects.get(key=run)
    return stream.published == stream.head and not stream.dirty


def faults_of_stream(run: UUID) -> Iterator[str]:
    """I9 without its end: of a run that nothing happened to since Redis forgot, the stream may be short, or gone."""
    stream = Stream.objects.get(key=run)
    log = {entry.seq: wire.encode(wire.envelope(entry)) for entry in Entry.objects.filter(stream_id=run)}
    rows = client().xrange(_name(stream))
    seqs = [int(id_.partition(b"-")[0]) for id_, _ in rows]
    if seqs and seqs != list(range(seqs[0], seqs[-1] + 1)):
        yield f"I9: the stream has {seqs}"
    if any(fields[b"e"] != log.get(seq) for seq, (_, fields) in zip(seqs, rows, strict=True)):
        yield "I9: the stream has an event that the log does not have"


def lose_tail(run: UUID, *, keep: int) -> None:
    """As a failover does to one stream: Redis knows its first events only, and its last id is theirs."""
    name = _name(Stream.objects.get(key=run))
    rows = client().xrange(name, count=keep)
    with client().pipeline(transaction=True) as pipe:
        pipe.delete(name)
        for identifier, fields in rows:
            pipe.xadd(name, fields, id=identifier)
        pipe.execute()


def _name(stream: Stream) -> str:
    return wire.run_stream(stream.shard, stream.key, stream.epoch)


# The database tells of each cursor that went back. Only a gap in Redis may do that.
WATCH = """
CREATE TABLE IF NOT EXISTS faults_went_back (stream uuid, former bigint, later bigint);
CREATE OR REPLACE FUNCTION faults_note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO faults_went_back VALUES (OLD.key, OLD.published, NEW.published); RETURN NULL; END $$;
CREATE OR REPLACE TRIGGER faults_went_back AFTER UPDATE OF published ON outbox_stream
FOR EACH ROW WHEN (NEW.published < OLD.published) EXECUTE FUNCTION faults_note();
"""


def watch_cursors() -> None:
    with connection.cursor() as cursor:
        cursor.execute(WATCH)


def went_back(run: UUID) -> list[tuple[int, int]]:
    """Each time that the run's cursor in the database went back: from, to."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT former, later FROM faults_went_back WHERE stream = %s", [run])
        return [(former, later) for former, later in cursor.fetchall()]
