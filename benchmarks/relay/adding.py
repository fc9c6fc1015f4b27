"""The floor of a relay's throughput, for `benchmarks.children`: XADD alone, pipelined, of bytes that are at hand."""

import time
from uuid import UUID

from benchmarks.children import Answer, Commands
from benchmarks.relay.arrived import told
from outbox import wire
from outbox.redis import client

PIPELINE_LENGTH = 100

# (run stream, id, audience, envelope) of each event, in the order in which the relay told them.
_events: list[tuple[str, str, bytes, bytes]] = []


def load() -> Answer:
    """Take over what Redis was told by the relay, so that the floor writes the same bytes."""
    _events.clear()
    streams: dict[bytes, str] = {}
    for fields in told(client()):
        run = fields[b"run"]
        if run not in streams:
            key = UUID(run.decode())
            streams[run] = wire.run_stream(wire.shard_of(key), key, 1)
        _events.append((streams[run], f"{int(fields[b'seq'])}-0", fields[b"aud"], fields[b"e"]))
    return {"events": len(_events)}


def add() -> Answer:
    """One XADD for each, a hundred a round trip. Returns seconds, and those of a processor in this process."""
    connection = client()
    cpu, since = time.process_time(), time.monotonic()
    for start in range(0, len(_events), PIPELINE_LENGTH):
        with connection.pipeline(transaction=False) as pipe:
            for stream, id_, audience, envelope in _events[start : start + PIPELINE_LENGTH]:
                pipe.xadd(stream, {"aud": audience, "e": envelope}, id=id_)
            pipe.execute()
    return {"seconds": time.monotonic() - since, "cpu_seconds": time.process_time() - cpu}


COMMANDS: Commands = {command.__name__: command for command in (load, add)}
