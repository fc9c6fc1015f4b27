"""A consumer's group on the firehoses: what it was given, what is new, and what is done with."""

import logging
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, cast
from uuid import UUID

import redis

from outbox import wire
from outbox.consuming.logs import Fields, event_of_fields
from outbox.consuming.reader import Delivery
from outbox.firehose import EntryId, parse_id

logger = logging.getLogger(__name__)

Page = list[tuple[bytes, Fields | None]]

# The lease says that a group has one active consumer a shard, so that one name does for all processes: names made of
# process numbers pile up in Redis, each with what it left unacknowledged.
SLOT = "slot-0"


class Forgotten(Exception):
    """Redis knows the group no more: it was flushed, restored from an old backup, or somebody removed the group."""


class Group:
    """One group. Its methods raise errors of redis when that is away, and Forgotten."""

    def __init__(self, connection: "redis.Redis", name: str) -> None:
        self._redis = connection
        self._name = name

    def create(self, shard: int) -> None:
        """From the first entry that there is, never from the last: what was applied before does no harm."""
        try:
            self._redis.xgroup_create(wire.firehose(shard), self._name, id="0", mkstream=True)
        except redis.ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise

    def read(self, shards: Iterable[int], *, count: int, block_ms: int | None) -> dict[int, list[Delivery]]:
        """New entries, up to `count` of each shard; waits for the first one up to `block_ms` (None: not at all)."""
        keys = {wire.firehose(shard): shard for shard in shards}
        streams: dict[Any, Any] = dict.fromkeys(keys, ">")
        with _forgetting():
            answer = self._redis.xreadgroup(self._name, SLOT, streams, count=count, block=block_ms)
        pages = cast(list[tuple[bytes, Page]], answer or [])
        return {keys[key.decode()]: self._parse(keys[key.decode()], page) for key, page in pages}

    def claim(self, shard: int, start: bytes, *, count: int) -> tuple[bytes | None, list[Delivery], bool]:
        """Take over a page of what anybody was given and did not acknowledge.

        Without regard to how long ago: the lease of the shard says that nobody else works on it, and were that wrong,
        the inbox would still apply each event once. Returns where the next page starts (None: that was the last), the
        entries, and whether some were trimmed away before they were acknowledged; Redis drops those here.
        """
        with _forgetting():
            answer = self._redis.xautoclaim(
                wire.firehose(shard), self._name, SLOT, min_idle_time=0, start_id=start.decode(), count=count
            )
        cursor, page, *rest = cast(tuple[bytes, Page, list[bytes]], answer)
        is_trimmed = bool(rest and rest[0]) or any(fields is None for _, fields in page)
        return None if cursor == b"0-0" else cursor, self._parse(shard, page), is_trimmed

    def acknowledge(self, shard: int, ids: Collection[bytes]) -> None:
        if ids:
            self._redis.xack(wire.firehose(shard), self._name, *ids)

    def last_ids(self, shards: Iterable[int]) -> dict[int, EntryId]:
        """The id of the last entry that each firehose ever had, as far as Redis remembers."""
        found = {}
        for shard in shards:
            with _forgetting():
                info = cast(dict[str, bytes], self._redis.xinfo_stream(wire.firehose(shard)))
            found[shard] = parse_id(info["last-generated-id"])
        return found

    def _parse(self, shard: int, page: Page) -> list[Delivery]:
        """What is not one of ours is acknowledged and forgotten."""
        deliveries, strange = [], []
        for entry_id, fields in page:
            try:
                deliveries.append(_delivery(entry_id, fields or {}))
            except (KeyError, ValueError):
                strange.append(entry_id)
        if strange:
            logger.error("not entries of ours; skipped", extra={"shard": shard, "entries": strange[:5]})
            self.acknowledge(shard, strange)
        return deliveries


@contextmanager
def _forgetting() -> Iterator[None]:
    try:
        yield
    except redis.ResponseError as error:
        if "NOGROUP" in str(error) or "no such key" in str(error):
            raise Forgotten(str(error)) from error
        raise


def _delivery(entry_id: bytes, fields: Fields) -> Delivery:
    stream = UUID(fields[b"run"].decode())
    if b"stub" in fields:
        return Delivery(entry_id, stream, None)
    seq, epoch = int(fields[b"seq"]), int(fields[b"epoch"])
    return Delivery(entry_id, stream, event_of_fields(stream, seq, epoch, fields))
