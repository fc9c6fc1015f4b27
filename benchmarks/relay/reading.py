"""A process that follows run streams in Redis, for `benchmarks.children`."""

import time
from typing import cast
from uuid import UUID

from benchmarks.children import Answer, Commands
from outbox import wire
from outbox.redis import client

BLOCK_MILLISECONDS = 1_000
# The writer pauses for milliseconds only: if nothing came for so long, nothing comes any more.
PATIENCE_SECONDS = 15.0

Page = list[tuple[bytes, list[tuple[bytes, dict[bytes, bytes]]]]]


def read(keys: list[str], count: int) -> Answer:
    """Blocks on the streams of the runs `keys` until `count` events came, or none came for a while.

    Returns (run, seq, nanoseconds of CLOCK_MONOTONIC) of each, in the order of arrival.
    """
    streams = {wire.run_stream(wire.shard_of(UUID(key)), key, 1).encode(): key for key in keys}
    after: dict[bytes, bytes | str] = dict.fromkeys(streams, "0")
    arrived: list[tuple[str, int, int]] = []
    newest = time.monotonic()
    while len(arrived) < count and time.monotonic() - newest < PATIENCE_SECONDS:
        pages = cast(Page, client().xread(after, block=BLOCK_MILLISECONDS))  # type: ignore[arg-type]
        moment = time.monotonic_ns()
        for stream, entries in pages:
            arrived += [(streams[stream], int(id_.partition(b"-")[0]), moment) for id_, _ in entries]
            after[stream] = entries[-1][0]
            newest = time.monotonic()
    return {"arrived": arrived}


COMMANDS: Commands = {read.__name__: read}
