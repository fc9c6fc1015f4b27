"""Whether Redis has every event once and in order: in the firehose all of them, in each run's stream its newest."""

from collections.abc import Iterator, Mapping
from typing import cast
from uuid import UUID

import redis

from benchmarks.measuring import NotArrived
from outbox import wire

READ_COUNT = 5_000

Fields = dict[bytes, bytes]


def told(client: "redis.Redis") -> Iterator[Fields]:
    """The entries of all firehoses, shard by shard, in their order."""
    for shard in range(wire.SHARD_COUNT):
        start = "-"
        while page := cast(
            list[tuple[bytes, Fields]], client.xrange(wire.firehose(shard), start, "+", count=READ_COUNT)
        ):
            yield from (fields for _, fields in page)
            start = f"({page[-1][0].decode()}"


def require_all(client: "redis.Redis", heads: Mapping[str, int]) -> None:
    """`heads`: the last number of each run. Raises NotArrived."""
    last = dict.fromkeys(heads, 0)
    for fields in told(client):
        run, seq = fields[b"run"].decode(), int(fields[b"seq"])
        if last.get(run) != seq - 1:
            raise NotArrived(f"event {seq} of run {run} came after {last.get(run)}")
        last[run] = seq
    missing = {run: head for run, head in heads.items() if last[run] != head}
    if missing:
        raise NotArrived(f"{len(missing)} of {len(heads)} runs did not arrive whole")
    _require_ends(client, heads)


def _require_ends(client: "redis.Redis", heads: Mapping[str, int]) -> None:
    with client.pipeline(transaction=False) as pipe:
        for run in heads:
            pipe.xrevrange(wire.run_stream(wire.shard_of(UUID(run)), run, 1), count=1)
        ends = pipe.execute()
    for (run, head), end in zip(heads.items(), ends, strict=True):
        if head and (not end or end[0][0] != b"%d-0" % head):
            raise NotArrived(f"the stream of run {run} does not end at {head}")
