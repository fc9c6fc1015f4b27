"""What Redis says of the firehose of a shard, and of the consumer groups that read it. Only reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import redis

from outbox import wire

# (milliseconds of Redis' clock, number within that millisecond), as in the entry id `<ms>-<n>`.
EntryId = tuple[int, int]

PENDING_MAX = 10_000  # counted so far


@dataclass(frozen=True, kw_only=True)
class Group:
    """A consumer group at one moment.

    lag: entries it has not been given yet, those that were removed before included; None: Redis lost count.
    pending: given to a consumer, not acknowledged. idle_seconds: since a consumer of it last asked for anything.
    lost: pending entries that are no longer there, and unread ones as far as Redis knows how many it had read.
    """

    name: str
    last_delivered: EntryId
    oldest_pending: EntryId | None
    pending: int
    lag: int | None
    idle_seconds: float | None
    lost: int

    @property
    def position(self) -> EntryId:
        """What is older has been read, and done with."""
        return min(self.oldest_pending or self.last_delivered, self.last_delivered)


@dataclass(frozen=True, kw_only=True)
class Firehose:
    """A shard's firehose. entries_added: since the key was made, trimmed ones included."""

    shard: int
    length: int = 0
    first: EntryId | None = None
    last: EntryId | None = None
    entries_added: int = 0
    groups: Sequence[Group] = ()

    @property
    def oldest_at(self) -> datetime | None:
        return None if self.first is None else moment_of(self.first)


def read_firehoses(connection: "redis.Redis") -> list[Firehose]:
    """All shards. Raises what redis-py raises while the server is away."""
    return [read_firehose(connection, shard) for shard in range(wire.SHARD_COUNT)]


def read_firehose(connection: "redis.Redis", shard: int) -> Firehose:
    """One shard; one that has no key yet is empty."""
    name = wire.firehose(shard)
    try:
        about: Any = connection.xinfo_stream(name)
        groups: Any = connection.xinfo_groups(name)
    except redis.ResponseError as error:
        if "no such key" in str(error):
            return Firehose(shard=shard)
        raise
    first = parse_id(about["first-entry"][0]) if about["first-entry"] else None
    return Firehose(
        shard=shard,
        length=about["length"],
        first=first,
        last=parse_id(about["last-generated-id"]),
        entries_added=about["entries-added"],
        groups=[_read_group(connection, name, group, about, first) for group in groups],
    )


def parse_id(text: bytes | str) -> EntryId:
    milliseconds, _, number = (text.decode() if isinstance(text, bytes) else text).partition("-")
    return int(milliseconds), int(number or 0)


def format_id(entry_id: EntryId) -> str:
    return f"{entry_id[0]}-{entry_id[1]}"


def now_ms(connection: "redis.Redis") -> int:
    """By Redis' own clock, which the entry ids are made with."""
    seconds, microseconds = cast(tuple[int, int], connection.time())
    return seconds * 1000 + microseconds // 1000


def moment_of(entry_id: EntryId) -> datetime:
    return datetime.fromtimestamp(entry_id[0] / 1000, UTC)


def _read_group(connection: "redis.Redis", name: str, group: Any, about: Any, first: EntryId | None) -> Group:
    group_name = group["name"]
    pending: Any = connection.xpending(name, group_name)
    consumers: Any = connection.xinfo_consumers(name, group_name)
    delivered = parse_id(group["last-delivered-id"])
    oldest = parse_id(pending["min"]) if pending["min"] else None
    # Redis tells no lag once something ahead of the group was erased; what the group had read it still knows, unless
    # the group has read past that. None too for a group that was never given anything: it may be younger than a trim.
    read = group["entries-read"]
    unread = None if read is None else max(0, about["entries-added"] - read)
    is_cut = first is None or delivered < first  # all that is there is unread
    return Group(
        name=group_name.decode(),
        last_delivered=delivered,
        oldest_pending=oldest,
        pending=pending["pending"],
        lag=unread if group["lag"] is None else group["lag"],
        idle_seconds=min((consumer["idle"] / 1000 for consumer in consumers), default=None),
        # What was trimmed counts as unread until the group reads on past the hole.
        lost=(max(0, (unread or 0) - about["length"]) if is_cut else 0)
        + _lost_pending(connection, name, group_name, oldest, first),
    )


def _lost_pending(
    connection: "redis.Redis", name: str, group: bytes, oldest: EntryId | None, first: EntryId | None
) -> int:
    if oldest is None or (first is not None and oldest >= first):
        return 0
    end = "+" if first is None else f"({format_id(first)}"
    gone: Any = connection.xpending_range(name, group, min="-", max=end, count=PENDING_MAX)
    return len(gone)
