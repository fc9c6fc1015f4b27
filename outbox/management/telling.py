"""What `manage.py outbox` says of a report to a person, and as JSON to a program."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from outbox import wire
from outbox.firehose import Firehose, Group
from outbox.report import FromDatabase, FromRedis, Report, ago, backlog_text
from outbox.verification import Fault, Tally


def as_json(report: Report, *, rate: float | None, window_seconds: float) -> dict[str, Any]:
    """rate: entries published a second, over a window of so many seconds; None: not measured."""
    told = {
        "healthy": not report.troubles(),
        "troubles": report.troubles(),
        "database": None if report.database is None else asdict(report.database),
        "redis": None if report.redis is None else asdict(report.redis),
        "published_per_second": {"value": rate, "window_seconds": window_seconds},
    }
    return {name: plain(value) for name, value in told.items()}


def plain(value: Any) -> Any:
    """JSON values: moments as on the wire, ids as text. Keys of objects are texts."""
    match value:
        case datetime():
            return wire.timestamp(value)
        case dict():
            return {str(name): plain(part) for name, part in value.items()}
        case list() | tuple():
            return [plain(part) for part in value]
        case None | bool() | int() | float() | str():
            return value
    return str(value)


def as_text(report: Report, *, rate: float | None, window_seconds: float) -> Iterator[str]:
    if report.database is not None:
        yield from _database(report.database)
    if report.redis is not None:
        now = None if report.database is None else report.database.taken_at
        yield from _redis(report.redis, report.database, now)
    if rate is not None:
        yield f"rate          {rate:,.1f} entries a second were published within {window_seconds:g} s"
    yield ""
    troubles = report.troubles()
    yield from (f"WRONG         {text}" for text in troubles)
    if not troubles:
        yield "well          nothing needs you"


def verified(tally: Tally, faults: Sequence[Fault], *, count: int, mended: int) -> Iterator[str]:
    """faults: the first ones of `count`."""
    for fault in faults:
        where = f"{fault.where} {fault.entry}".rstrip()
        run = "" if fault.run is None or str(fault.run) in where else f" of {fault.run}"
        yield f"WRONG  {where}{run}: {fault.text} (mend: {fault.mend})"
    if count > len(faults):
        yield f"WRONG  … and {count - len(faults):,} more"
    yield (
        f"looked at {tally.streams:,} streams of the log, {tally.run_streams:,} run streams and "
        f"{tally.firehose_entries:,} firehose entries; {tally.tombstones:,} tombstones"
    )
    yield f"{count:,} faults, {mended:,} mended" if count else "Redis tells what the log says"


def _database(part: FromDatabase) -> Iterator[str]:
    yield f"backlog       {backlog_text(part.backlog, now=part.taken_at)}"
    for stream in part.poison:
        again = "at once" if stream.retry_at is None else f"{stream.retry_at:%H:%M:%S} UTC"
        yield (
            f"poison        {stream.run}: event {stream.seq} failed {stream.failures} times, "
            f"{stream.waiting} wait, next try {again}"
        )
    for lease in part.leases:
        shards = " ".join(str(shard) for shard in lease.shards)
        until = f"{'since' if lease.is_over else 'until'} {lease.until:%H:%M:%S} UTC"
        yield f"{lease.role:13} shards {shards}: {'nobody' if lease.is_over else lease.holder} {until}"
    for letters in part.dead_letters:
        more = "+" if letters.is_capped else ""
        since = f"{letters.oldest_at:%Y-%m-%d %H:%M}"
        yield f"dead letters  {letters.count:,}{more} of {letters.consumer}, since {since}"


def _redis(part: FromRedis, database: FromDatabase | None, now: datetime | None) -> Iterator[str]:
    if part.last_published_at is not None and part.last_published_at.timestamp():
        yield f"last publish  {wire.timestamp(part.last_published_at)}"
    waiting = {} if database is None else database.backlog.by_shard
    yield "shard  waiting  firehose  oldest   groups"
    for firehose in part.firehoses:
        oldest = "" if firehose.oldest_at is None or now is None else ago(firehose.oldest_at, now)
        yield (
            f"{firehose.shard:5}  {waiting.get(firehose.shard, 0):7,}  {firehose.length:8,}  {oldest:7}  "
            f"{_groups(firehose)}".rstrip()
        )
    for stone in part.tombstones:
        yield f"tombstone     event {stone.seq} of {stone.run}"


def _groups(firehose: Firehose) -> str:
    return "; ".join(_group(group) for group in firehose.groups)


def _group(group: Group) -> str:
    lag = "?" if group.lag is None else f"{group.lag:,}"
    lost = f", LOST {group.lost:,}" if group.lost else ""
    return f"{group.name}: {lag} unread, {group.pending:,} pending{lost}"
