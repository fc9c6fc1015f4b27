"""What the firehoses tell is in the log. That they miss something is none: they keep a time span."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, cast
from uuid import UUID

import redis

from outbox import wire
from outbox.models import Entry, Stream
from outbox.verification.faults import Fault, Mend, Tally
from outbox.verification.run_streams import Fields, Page, event_id

PAGE_ENTRIES: Final = 500


@dataclass(frozen=True)
class _Told:
    entry_id: str
    run: UUID
    seq: int
    epoch: int
    event_id: UUID


def verify_firehoses(connection: "redis.Redis", tally: Tally, *, run: UUID | None = None) -> Iterator[Fault]:
    """Each entry of a firehose that the log does not know. Raises what redis-py raises while the server is away."""
    for shard in range(wire.SHARD_COUNT) if run is None else [wire.shard_of(run)]:
        name, start = wire.firehose(shard), "-"
        while page := cast(Page, connection.xrange(name, min=start, count=PAGE_ENTRIES)):
            start = f"({page[-1][0].decode()}"
            if run is not None:
                page = [
                    (entry_id, fields) for entry_id, fields in page if fields.get(b"run") == str(run).encode()
                ]
            tally.firehose_entries += len(page)
            yield from _verify(name, page)


def _verify(name: str, page: Page) -> Iterator[Fault]:
    told = []
    for entry_id, fields in page:
        entry = _read(entry_id.decode(), fields)
        if entry is None:
            yield Fault(where=name, entry=entry_id.decode(), text="it cannot be read", mend=Mend.REMOVE)
        else:
            told.append(entry)
    rows = Entry.objects.filter(id__in=[entry.event_id for entry in told]).values_list("id", "stream", "seq")
    log = {event: (run, seq) for event, run, seq in rows}
    unknown = [entry for entry in told if log.get(entry.event_id) != (entry.run, entry.seq)]
    streams = Stream.objects.in_bulk([entry.run for entry in unknown])
    for entry in unknown:
        if fault := _unknown(name, entry, streams.get(entry.run)):
            yield fault


def _unknown(name: str, told: _Told, stream: Stream | None) -> Fault | None:
    """None where it is as it should be: of a former epoch, or removed by retention since."""
    if stream is None:
        text, mend, epoch = "its run does not exist", Mend.REMOVE, 0
    elif told.epoch < stream.epoch or (told.epoch == stream.epoch and told.seq <= stream.pruned):
        return None
    else:
        text, mend, epoch = f"event {told.seq} is not in the log", Mend.RENEW, stream.epoch
    return Fault(where=name, run=told.run, entry=told.entry_id, text=text, mend=mend, epoch=epoch)


def _read(entry_id: str, fields: Fields) -> _Told | None:
    try:
        run, seq, epoch = (fields[name].decode() for name in (b"run", b"seq", b"epoch"))
        return _Told(entry_id, UUID(run), int(seq), int(epoch), UUID(event_id(fields)))
    except (KeyError, ValueError):
        return None
