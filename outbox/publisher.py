"""Compare-and-append: the one way into Redis, safe to call from any number of relays at once.

Redis refuses an entry id that is too small, but not one that leaves a gap; so `XADD <seq>-0` alone can lose an
event for ever. The script decides under Redis' single thread: what the run's stream already has is skipped, what
would leave a gap is refused, the rest goes to the run's stream and to the shard's firehose in the same call.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast
from uuid import UUID

import redis

from outbox import wire
from outbox.conf import conf

# KEYS: run stream, firehose. ARGV: run, epoch, base (last published as the database knows it), first seq,
# run stream length, firehose length, ttl in seconds (0: none), then audience and envelope of each entry.
# An answer {1, last} means appended up to `last`; {0, last} means a gap: the stream ends at `last`, rewind to it.
# The firehose comes first: were the second XADD refused, a retry would skip what the run's stream has. Only a batch
# that reaches the stream's end knows whether the stream may expire; a late copy of an older one does not.
# A missing key starts at `base`: nothing is seeded again, since readers below it use the database.
APPEND = """
local last = tonumber(ARGV[3])
if redis.call('EXISTS', KEYS[1]) == 1 then
  local info = redis.call('XINFO', 'STREAM', KEYS[1])
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then
      last = tonumber(string.match(info[i + 1], '^(%d+)'))
    end
  end
end
local seq = tonumber(ARGV[4])
if seq > last + 1 then
  return {0, last}
end
for i = 8, #ARGV, 2 do
  if seq > last then
    redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[6], '*',
      'run', ARGV[1], 'seq', string.format('%d', seq), 'epoch', ARGV[2], 'aud', ARGV[i], 'e', ARGV[i + 1])
    redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[5], string.format('%d-0', seq), 'aud', ARGV[i], 'e', ARGV[i + 1])
    last = seq
  end
  seq = seq + 1
end
if seq == last + 1 then
  if tonumber(ARGV[7]) > 0 then
    redis.call('EXPIRE', KEYS[1], ARGV[7])
  else
    redis.call('PERSIST', KEYS[1])
  end
end
return {1, last}
"""


AWAY = (
    redis.ConnectionError,
    redis.TimeoutError,
    redis.exceptions.OutOfMemoryError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.NoScriptError,
)


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Consecutive entries of one stream. `base`: last seq that the database believes published."""

    key: UUID
    shard: int
    epoch: int
    base: int
    first: int
    entries: Sequence[tuple[str, bytes]]  # (audience, envelope)
    closes: bool


@dataclass(frozen=True)
class Appended:
    last: int


@dataclass(frozen=True)
class Gap:
    last: int


class RedisPublisher:
    """Publishes batches, pipelined: one round trip for all of them."""

    def __init__(self, connection: "redis.Redis") -> None:
        self._redis = connection
        self._script = connection.register_script(APPEND)

    def publish(self, batches: Sequence[Batch]) -> list[Appended | Gap | redis.RedisError]:
        """One answer for each batch, in order: a refused batch does not hold up the others.

        Raises redis.ConnectionError or redis.TimeoutError when Redis is away: then nothing is known, and the
        same batches may be sent again.
        """
        self._load()
        with self._redis.pipeline(transaction=False) as pipe:
            for batch in batches:
                self._script(keys=self._keys(batch), args=self._args(batch), client=pipe)
            answers = pipe.execute(raise_on_error=False)
        return [self._answer(answer) for answer in answers]

    def _load(self) -> None:
        # A pipeline cannot fall back from EVALSHA to EVAL halfway; redis-py checks once a pipeline, we once a batch.
        (is_loaded,) = cast(list[bool], self._redis.script_exists(self._script.sha))
        if not is_loaded:
            self._redis.script_load(APPEND)

    @staticmethod
    def _keys(batch: Batch) -> list[str]:
        return [wire.run_stream(batch.shard, batch.key, batch.epoch), wire.firehose(batch.shard)]

    @staticmethod
    def _args(batch: Batch) -> list[str | int | bytes]:
        limits = conf()
        ttl = limits.run_stream_ttl_seconds if batch.closes else 0
        return [
            str(batch.key),
            batch.epoch,
            batch.base,
            batch.first,
            limits.run_stream_max_entries,
            limits.firehose_max_entries,
            ttl,
            *(part for entry in batch.entries for part in entry),
        ]

    @staticmethod
    def _answer(answer: object) -> Appended | Gap | redis.RedisError:
        if isinstance(answer, AWAY) or (isinstance(answer, redis.ResponseError) and "MISCONF" in str(answer)):
            # The server's state, not this stream's fault: nobody backs off alone for it.
            raise redis.ConnectionError(f"Redis takes nothing now: {answer}")
        if isinstance(answer, redis.RedisError):
            return answer
        assert isinstance(answer, list)
        done, last = answer
        return Appended(int(last)) if done else Gap(int(last))
