"""What must hold of runs whose database went back to an earlier point: what is lost is lost for everybody."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import takewhile
from uuid import UUID

from outbox import wire
from outbox.models import Entry, Stream
from outbox.redis import client

Told = dict[UUID, list[UUID]]


def told_of(runs: Iterable[UUID]) -> Told:
    """The events of each run that somebody may have seen, in order."""
    return {
        run: list(Entry.objects.filter(stream_id=run).order_by("seq").values_list("id", flat=True))
        for run in runs
    }


def faults_of_loss(told: Told, *, keeps: bool) -> list[str]:
    """`told`: before the fault. `keeps`: nothing may be lost; otherwise something must be."""
    tails = {run: _tail(run, before) for run, before in told.items()}
    lost = {run: tail for run, tail in tails.items() if tail}
    if keeps:
        return [f"{len(tail)} acknowledged events of run {run} are lost" for run, tail in lost.items()]
    if not lost:
        return ["nothing was lost: the cell proves nothing"]
    return [fault for run, tail in lost.items() for fault in _of_run(run, tail)]


def _tail(run: UUID, before: list[UUID]) -> list[UUID]:
    """What was told and is not in the log any more."""
    now = Entry.objects.filter(stream_id=run).order_by("seq").values_list("id", flat=True)
    kept = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(before, now, strict=False)))
    return before[kept:]


def _of_run(run: UUID, tail: list[UUID]) -> Iterator[str]:
    if Entry.objects.filter(id__in=tail).exists():
        yield f"lost events of run {run} are back in its log"
    stream = Stream.objects.filter(key=run).first()
    if stream is None:
        yield from _vanished(run)
    elif stream.epoch == 1:
        yield f"run {run} lost {len(tail)} events and is still in its first epoch"


def _vanished(run: UUID) -> Iterator[str]:
    """Nobody knows the run any more; what Redis has of it goes when its time is over."""
    if Entry.objects.filter(stream_id=run).exists():
        yield f"run {run} is lost, and its log is not"
    for key in client().scan_iter(wire.run_streams_of(wire.shard_of(run), run)):
        if client().ttl(key) < 0:
            yield f"run {run} is lost, and Redis keeps {key.decode()} for ever"


def told_twice(run: UUID) -> Iterator[str]:
    """In the firehose no number of one epoch has two events."""
    events: dict[tuple[bytes, bytes], set[str]] = defaultdict(set)
    for _, fields in client().xrange(wire.firehose(wire.shard_of(run))):
        if fields[b"run"] == str(run).encode():
            event = json.loads(fields.get(b"e") or fields[b"stub"])
            events[fields[b"epoch"], fields[b"seq"]].add(event["id"])
    for (epoch, seq), ids in events.items():
        if len(ids) > 1:
            yield f"I1: epoch {epoch.decode()} has told {len(ids)} events under number {seq.decode()}"


def left_behind(run: UUID, *, epoch: int, log: Iterable[bytes]) -> Iterator[str]:
    """Streams of former epochs have nothing that never happened; `log`: the envelopes of what did."""
    happened = set(log)
    shard = wire.shard_of(run)
    for key in client().scan_iter(wire.run_streams_of(shard, run)):
        if key.decode() == wire.run_stream(shard, run, epoch):
            continue
        told = [fields for _, fields in client().xrange(key) if b"end" not in fields]
        phantoms = [fields for fields in told if fields.get(b"e") not in happened]
        if phantoms:
            yield f"I9: {key.decode()} still has {len(phantoms)} events that the log does not have"
