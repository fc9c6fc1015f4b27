"""From the firehose to the channel layer: one process tells every web process what is new in the runs it shows.

It reads with plain XREAD, so nothing is claimed, acknowledged or lost with it: another one starts from a minute
ago, and two of them only say everything twice. It touches no database and keeps no state but its place.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol
from uuid import UUID

import redis
import redis.asyncio

from outbox import wire
from outbox.redis import async_client
from streaming import hints
from streaming.conf import conf
from streaming.hints import LiveFrame, LogEvent

logger = logging.getLogger(__name__)

BATCH_ENTRIES = 200  # of one stream in one read
SEND_TIMEOUT_SECONDS = 5.0  # a frozen Redis would hold one hint, and all behind it, for ever
RETRY_SECONDS, RETRY_CAP_SECONDS = 0.25, 5.0
AWAY = (redis.RedisError, OSError, TimeoutError)

Fields = Mapping[bytes, bytes]
Entries = list[tuple[bytes, Fields]]


class Layer(Protocol):
    async def group_send(self, group: str, message: dict[str, Any]) -> None: ...


class FanOut:
    """Reads all shards and sends hints. Redis being away only makes it wait."""

    def __init__(self, layer: Layer) -> None:
        self._layer = layer
        self._firehoses = {wire.firehose(shard) for shard in range(wire.SHARD_COUNT)}
        self._frames = {wire.frames(shard) for shard in range(wire.SHARD_COUNT)}
        self._places: dict[str, str] = {}  # stream -> id of the last entry whose hint was sent
        self._is_stopping = False

    def stop(self) -> None:
        """End run() within `fanout_block_ms`. Cancel its task as well to end it at once: a cancellation alone
        may get lost (Python 3.11's wait_for, which the Redis client uses, swallows one that comes too late).
        """
        self._is_stopping = True

    async def run(self) -> None:
        """Until stop()."""
        wait = RETRY_SECONDS
        while not self._is_stopping:
            try:
                async with _connected() as client:
                    await self._find_places(client)
                    while not self._is_stopping:
                        await self._read_once(client)
                        wait = RETRY_SECONDS
            except AWAY as error:
                logger.warning("Redis is away; hints wait", extra={"error": type(error).__name__})
                await asyncio.sleep(wait)
                wait = min(RETRY_CAP_SECONDS, wait * 2)

    async def _find_places(self, client: "redis.asyncio.Redis") -> None:
        """Go on where we were; at first, and on a Redis whose clock is behind our place, from a while ago."""
        seconds, microseconds = await client.time()
        now_ms = int(seconds) * 1_000 + int(microseconds) // 1_000
        start = f"{max(0, now_ms - int(conf().fanout_lookback_seconds * 1_000))}-0"
        for stream in self._firehoses | self._frames:
            place = self._places.get(stream)
            if place is None or int(place.partition("-")[0]) > now_ms:
                self._places[stream] = start

    async def _read_once(self, client: "redis.asyncio.Redis") -> None:
        places: dict[Any, Any] = dict(self._places)
        answer = await client.xread(places, count=BATCH_ENTRIES, block=conf().fanout_block_ms)
        for name, entries in answer or ():
            stream = name.decode()
            await self._hand_out(stream, entries)
            # Only now: a batch that was cut halfway is told again, which harms nobody.
            self._places[stream] = entries[-1][0].decode()

    async def _hand_out(self, stream: str, entries: Entries) -> None:
        messages_of = _frames_messages if stream in self._frames else _events_messages
        for message in messages_of(entries):
            try:
                async with asyncio.timeout(SEND_TIMEOUT_SECONDS):
                    await self._layer.group_send(hints.group_of(message["run"]), message)
            except AWAY:
                raise
            except Exception:  # one message that the layer cannot take must not stop the others
                logger.exception("hint not sent", extra={"run": message["run"]})


def _events_messages(entries: Entries) -> Iterable[dict[str, Any]]:
    """One message for each run (and epoch) in the batch, its events in the order of the stream."""
    runs: dict[tuple[UUID, int], list[LogEvent]] = {}
    stubs: set[tuple[UUID, int]] = set()
    for entry_id, fields in entries:
        try:
            log = UUID(fields[b"run"].decode()), int(fields[b"epoch"])
            body = fields[b"stub" if b"stub" in fields else b"e"]
            event = LogEvent(int(fields[b"seq"]), fields[b"aud"].decode(), body)
        except (KeyError, ValueError):
            _skip(entry_id)
        else:
            runs.setdefault(log, []).append(event)
            if b"stub" in fields:
                stubs.add(log)
    return [_events_message(*log, events, has_stub=log in stubs) for log, events in runs.items()]


def _events_message(run: UUID, epoch: int, events: list[LogEvent], *, has_stub: bool) -> dict[str, Any]:
    if has_stub:  # a tombstone: its event is in the database only
        return hints.bare_message(run, epoch, first=events[0].seq, last=events[-1].seq)
    return hints.events_message(run, epoch, events, max_bytes=conf().hint_max_bytes)


def _frames_messages(entries: Entries) -> Iterable[dict[str, Any]]:
    runs: dict[UUID, list[LiveFrame]] = {}
    for entry_id, fields in entries:
        try:
            run, frame = UUID(fields[b"run"].decode()), LiveFrame(fields[b"aud"].decode(), fields[b"e"])
        except (KeyError, ValueError):
            _skip(entry_id)
        else:
            runs.setdefault(run, []).append(frame)
    limit = conf().hint_max_bytes
    messages = (hints.frames_message(run, frames, max_bytes=limit) for run, frames in runs.items())
    return [message for message in messages if message is not None]


def _skip(entry_id: bytes) -> None:
    logger.warning("not an entry of ours; skipped", extra={"entry": entry_id.decode()})


@asynccontextmanager
async def _connected() -> AsyncIterator["redis.asyncio.Redis"]:
    client = async_client()
    try:
        yield client
    finally:
        await client.aclose()
