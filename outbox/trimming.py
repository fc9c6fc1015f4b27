"""The firehose keeps a time span, and what a group has not read yet: until it is too long, and then loudly.

The append script knows a length only, and cuts at twice the cap whoever has not read; this comes well before that.
Run streams expire and frames are bounded by themselves.
"""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, cast

import redis

from outbox import wire
from outbox.conf import conf
from outbox.firehose import EntryId, Firehose, Group, format_id, now_ms, parse_id, read_firehose

logger = logging.getLogger(__name__)

# A group that is behind by so much of what the firehose keeps will lose entries unless somebody looks after it.
LAG_ALARM_SHARE: Final = 0.5


def trim_firehoses(connection: "redis.Redis") -> int:
    """Trim every shard; returns how many entries went. Raises what redis-py raises while the server is away."""
    return sum(trim_firehose(connection, shard) for shard in range(wire.SHARD_COUNT))


def trim_firehose(connection: "redis.Redis", shard: int) -> int:
    """Remove what is older than `firehose_seconds` and was read by every group that still lives.

    A shard longer than `firehose_max_entries` is cut to that all the same. Which group lost how many entries by it, or
    by the append script before, is logged as an error, each time until the group has read on. Of a group whose place
    Redis cannot count, it is logged by the trimming that cuts, as `lost` 1 or more.
    """
    before = read_firehose(connection, shard)
    if not before.length:
        return 0
    moment = now_ms(connection)
    start = format_id(_start(before, moment))
    trimmed, unread = _repeat(connection, shard, minid=start), {}
    # What is left of the last node; a quiet shard has no other.
    trimmed += _trim(connection, shard, approximate=False, minid=start)
    cap = conf().firehose_max_entries
    if before.length - trimmed > cap:
        unread = {group.name: _next_unread(connection, shard, group) for group in before.groups}
        trimmed += _repeat(connection, shard, maxlen=cap)
    _raise_alarms(read_firehose(connection, shard), moment, unread)
    return trimmed


def is_forgotten(group: Group, *, moment: int) -> bool:
    """Whether nobody has read for a group since `group_forget_seconds`. moment: now, in milliseconds.

    It is not destroyed, since its position goes with it; but it holds up no trimming any more. Without a consumer the
    last entry it was given says how old it is, and a group that was never given any waits for its first consumer.
    """
    if group.idle_seconds is not None:
        return group.idle_seconds > conf().group_forget_seconds
    given_ms, _ = group.last_delivered
    return given_ms > 0 and moment - given_ms > conf().group_forget_seconds * 1000


def _start(firehose: Firehose, moment: int) -> EntryId:
    """The first entry to keep."""
    living = [group.position for group in firehose.groups if not is_forgotten(group, moment=moment)]
    return min([*living, (max(0, moment - conf().firehose_seconds * 1000), 0)])


def _repeat(connection: "redis.Redis", shard: int, **limits: Any) -> int:
    """Whole nodes only, and at most some thousand entries a command: Redis does nothing else meanwhile."""
    total = 0
    while trimmed := _trim(connection, shard, approximate=True, **limits):
        total += trimmed
    return total


def _trim(connection: "redis.Redis", shard: int, **how: Any) -> int:
    return int(connection.xtrim(wire.firehose(shard), **how))  # type: ignore[arg-type]


def _next_unread(connection: "redis.Redis", shard: int, group: Group) -> EntryId | None:
    """The first entry that a group was not given yet."""
    start = f"({format_id(group.last_delivered)}"
    page = cast(list[tuple[bytes, Any]], connection.xrange(wire.firehose(shard), min=start, count=1))
    return parse_id(page[0][0]) if page else None


def _raise_alarms(firehose: Firehose, moment: int, unread: Mapping[str, EntryId | None]) -> None:
    """unread: the first entry that each group had not been given, before the firehose was cut."""
    for group in firehose.groups:
        extra = {"shard": firehose.shard, "group": group.name}
        was_next = unread.get(group.name)
        is_cut = was_next is not None and firehose.first is not None and was_next < firehose.first
        if lost := max(group.lost, int(is_cut)):
            logger.error("firehose trimmed past a group", extra={**extra, "lost": lost})
        if is_forgotten(group, moment=moment):
            since = datetime.fromtimestamp(group.last_delivered[0] / 1000, UTC)
            logger.warning(
                "group forgotten: it holds up no trimming; destroy it, or read on",
                extra={**extra, "last_delivered_at": since.isoformat()},
            )
        elif (group.lag or 0) > LAG_ALARM_SHARE * conf().firehose_max_entries:
            logger.error("group far behind: it will lose entries", extra={**extra, "lag": group.lag})
