"""Compare-and-append: the one way into Redis, safe to call from any number of relays at once.

Redis refuses an entry id that is too small, but not one that leaves a gap; so `XADD <seq>-0` alone can lose an
event for ever. The script (`append.lua`) decides under Redis' single thread: what the run's stream already has is
skipped, what would leave a gap is refused, the rest goes to the run's stream and to the shard's firehose in one call.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

import redis

from outbox import wire
from outbox.conf import conf

APPEND: Final = Path(__file__).with_name("append.lua").read_text()
SHA: Final = hashlib.sha1(APPEND.encode(), usedforsecurity=False).hexdigest()

# The server's state, not a stream's fault: nobody backs off alone for it.
AWAY: Final = (
    redis.ConnectionError,
    redis.TimeoutError,
    redis.exceptions.OutOfMemoryError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.NoScriptError,
    redis.exceptions.NoPermissionError,
    redis.exceptions.ClusterDownError,  # and a replica that has lost its primary
    redis.exceptions.ClusterCrossSlotError,
    redis.exceptions.AskError,  # and moved
    redis.exceptions.TryAgainError,
)
AWAY_CODES: Final = ("MISCONF", "NOREPLICAS", "BUSY")


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Consecutive entries of one stream. `base`: last seq that the database believes published.

    closes: whether its last entry is the stream's last, as far as the database knew, and ended a round.
    is_stub: the entries are tombstones.
    """

    key: UUID
    shard: int
    epoch: int
    base: int
    first: int
    entries: Sequence[tuple[str, bytes]]  # (audience, envelope)
    closes: bool
    is_stub: bool = False

    @property
    def last(self) -> int:
        return self.first + len(self.entries) - 1


@dataclass(frozen=True)
class Appended:
    """Redis has the stream up to `last`."""

    last: int


@dataclass(frozen=True)
class Gap:
    """Refused: Redis has the stream up to `last` only, and the batch begins later."""

    last: int


@dataclass(frozen=True)
class Diverged:
    """Refused: Redis has another event under a number of the batch."""

    last: int


Answer = Appended | Gap | Diverged | redis.RedisError
ANSWERS: Final = (Gap, Appended, Diverged)


class RedisPublisher:
    """Publishes batches, pipelined: one round trip for all of them."""

    def __init__(self, connection: "redis.Redis") -> None:
        self._redis = connection

    def publish(self, batches: Sequence[Batch]) -> list[Answer]:
        """One answer for each batch, in order: a refused batch does not hold up the others.

        Raises redis.ConnectionError or redis.TimeoutError when Redis is away: then nothing is known, and the
        same batches may be sent again.
        """
        answers = self._call(batches)
        if any(isinstance(answer, redis.exceptions.NoScriptError) for answer in answers):
            # A new or restarted server. What it took after all is skipped the second time.
            self._redis.script_load(APPEND)
            answers = self._call(batches)
        return [_understood(answer) for answer in answers]

    def forget(self, batch: Batch) -> None:
        """Drop the stream that `batch` belongs to: it will begin anew."""
        self._redis.unlink(wire.run_stream(batch.shard, batch.key, batch.epoch))

    def _call(self, batches: Sequence[Batch]) -> list[object]:
        # EVALSHA by hand: redis-py's Script would ask for its existence before each pipeline.
        limits = conf()
        with self._redis.pipeline(transaction=False) as pipe:
            for batch in batches:
                ttl = limits.run_stream_ttl_seconds if batch.closes else limits.run_stream_idle_ttl_seconds
                pipe.evalsha(
                    SHA,
                    2,
                    wire.run_stream(batch.shard, batch.key, batch.epoch),
                    wire.firehose(batch.shard),
                    str(batch.key),
                    batch.epoch,
                    batch.base,
                    batch.first,
                    limits.run_stream_max_entries,
                    # The last resort: before that `outbox.trimming` cuts by time, and looks who has not read.
                    2 * limits.firehose_max_entries,
                    ttl,
                    "stub" if batch.is_stub else "e",
                    *(part for entry in batch.entries for part in entry),
                )
            return list(pipe.execute(raise_on_error=False))


def _understood(answer: object) -> Answer:
    if isinstance(answer, AWAY) or (
        isinstance(answer, redis.RedisError) and str(answer).startswith(AWAY_CODES)
    ):
        raise redis.ConnectionError(f"Redis takes nothing now: {answer}")
    if isinstance(answer, redis.RedisError):
        return answer
    assert isinstance(answer, list)
    kind, last = answer
    return ANSWERS[int(kind)](int(last))
