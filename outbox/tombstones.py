"""The tombstones in the firehose: events that Redis would not take. The log has them."""

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import redis

from outbox import wire

LOOKED_AT: Final = 5_000  # newest entries of each shard
CHUNK: Final = 1_000  # of one call, during which Redis does nothing else: about a millisecond

# KEYS: firehose. ARGV: from which id down, how many. Answers the last id looked at, then run and seq of each tombstone.
# In Redis, so that the entries' content does not travel.
FIND = """
local page = redis.call('XREVRANGE', KEYS[1], ARGV[1], '-', 'COUNT', ARGV[2])
local found = {}
for _, entry in ipairs(page) do
  found[1] = entry[1]
  local fields = {}
  for i = 1, #entry[2], 2 do
    fields[entry[2][i]] = entry[2][i + 1]
  end
  if fields.stub then
    table.insert(found, fields.run)
    table.insert(found, fields.seq)
  end
end
return found
"""


@dataclass(frozen=True, kw_only=True)
class Tombstone:
    run: UUID
    seq: int


def read_tombstones(connection: "redis.Redis") -> list[Tombstone]:
    """Those among the newest LOOKED_AT entries of each shard, the newest of a shard first."""
    return [found for shard in range(wire.SHARD_COUNT) for found in _of_shard(connection, shard)]


def _of_shard(connection: "redis.Redis", shard: int) -> list[Tombstone]:
    found: list[Tombstone] = []
    start = "+"
    for _ in range(LOOKED_AT // CHUNK):
        answer: Any = connection.eval(FIND, 1, wire.firehose(shard), start, CHUNK)
        if not answer:
            break
        last, *pairs = answer
        found += [
            Tombstone(run=UUID(run.decode()), seq=int(seq))
            for run, seq in zip(pairs[::2], pairs[1::2], strict=True)
        ]
        start = f"({last.decode()}"
    return found
