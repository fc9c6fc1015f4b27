"""The tombstones in the firehose: events that Redis would not take. The log has them."""

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import redis

from outbox import wire
from outbox.conf import conf
from outbox.firehose import format_id, now_ms

LOOKED_AT: Final = 5_000  # newest entries of each shard
CHUNK: Final = 1_000  # of one call, during which Redis does nothing else: about a millisecond

# KEYS: firehose. ARGV: from which id down, to which, how many. Answers the last id looked at, then run and seq of each.
# In Redis, so that the entries' content does not travel.
FIND = """
local page = redis.call('XREVRANGE', KEYS[1], ARGV[1], ARGV[2], 'COUNT', ARGV[3])
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
    """Those among the newest LOOKED_AT entries of each shard, the newest of a shard first.

    None older than `firehose_seconds`: a group that is behind would keep them, and with them the alarm, for days.
    """
    end = format_id((max(0, now_ms(connection) - conf().firehose_seconds * 1000), 0))
    return [found for shard in range(wire.SHARD_COUNT) for found in _of_shard(connection, shard, end)]


def _of_shard(connection: "redis.Redis", shard: int, end: str) -> list[Tombstone]:
    found: list[Tombstone] = []
    start = "+"
    for _ in range(LOOKED_AT // CHUNK):
        answer: Any = connection.eval(FIND, 1, wire.firehose(shard), start, end, CHUNK)
        if not answer:
            break
        last, *pairs = answer
        found += [
            Tombstone(run=UUID(run.decode()), seq=int(seq))
            for run, seq in zip(pairs[::2], pairs[1::2], strict=True)
        ]
        start = f"({last.decode()}"
    return found
