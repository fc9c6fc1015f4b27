"""The life of a consumer in one process: shards come and go, entries come, the log is compared, failures wait."""

import logging
import threading
import time
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import redis

from outbox import wire
from outbox.clock import CLOCK, Clock
from outbox.conf import conf
from outbox.connections import PASSING, drop_broken
from outbox.consumer import Consumer, Event
from outbox.consuming.comparing import Comparison
from outbox.consuming.group import Forgotten, Group
from outbox.consuming.logs import DatabaseLog
from outbox.consuming.reader import Delivery, Reader
from outbox.failpoints import failpoint
from outbox.leases import ShardLeases
from outbox.models import Inbox
from outbox.redis import MAX_BLOCK_SECONDS, client

logger = logging.getLogger(__name__)

POLL_SECONDS = (
    1.0  # with Redis or the database away they are asked this often; failures are looked for as often
)
OVERDUE = 10  # intervals after which the log is compared though new entries never cease
RETRIES = 100  # streams tried again in one go

BEGINNING = b"0-0"


class ConsumerLoop:
    """Runs one consumer until `stop()`, which any thread may call. `at_most`: shards that it takes."""

    def __init__(
        self,
        consumer: Consumer,
        *,
        connection: "redis.Redis | None" = None,
        clock: Clock = CLOCK,
        at_most: int | None = None,
    ) -> None:
        self.consumer = consumer
        self._clock = clock
        self._at_most = at_most
        self._group = Group(connection or client(), consumer.name)
        self._leases = ShardLeases(consumer.role, clock=clock)
        self._stopping = threading.Event()
        self._reader: Reader | None = None
        self._begun_at: datetime | None = None
        self._claims: dict[int, bytes] = {}  # shard -> from where on others' entries are to be taken over
        self._compared: dict[int, datetime | None] = {}  # shards we work on -> up to when all is applied
        self._last_ids: dict[int, tuple[int, int]] = {}
        self._comparison: Comparison | None = None
        self._hold_at = self._retry_at = self._compare_at = 0.0

    def stop(self) -> None:
        """End `run()` after the event in hand."""
        self._stopping.set()

    def run(self) -> None:
        logger.info("consumer started", extra={"consumer": self.consumer.name})
        while not self._stopping.is_set():
            self._try_turn()
        self._leave()
        logger.info("consumer stopped", extra={"consumer": self.consumer.name})

    def turn(self) -> None:
        """Everything that is due, once. Raises errors of redis or the database when they are away, and Forgotten."""
        reader = self._reader or self._meet()
        self._hold()
        self._join_and_part()
        if not self._compared:
            self._stopping.wait(min(POLL_SECONDS, conf().shard_lease_seconds / 4))
            return
        self._retry(reader)
        for shard, start in list(self._claims.items()):
            self._claim(reader, shard, start)
        is_caught_up = self._read(reader)
        self._compare(reader, is_caught_up=is_caught_up)

    def _try_turn(self) -> None:
        drop_broken()
        try:
            self.turn()
        except Forgotten as error:
            logger.warning(
                "group made anew", extra={"consumer": self.consumer.name, "error": str(error)[:200]}
            )
            self._start_over()
        except PASSING as error:
            # It may come back as it was some time ago: then nothing that we remember of it holds.
            self._start_over()
            self._wait_for("the database", error)
        except (redis.RedisError, OSError) as error:
            self._claims = dict.fromkeys(self._compared, BEGINNING)
            self._wait_for("Redis or the log", error)

    def _wait_for(self, what: str, error: Exception) -> None:
        logger.warning(
            "consumer waits for %s",
            what,
            extra={"consumer": self.consumer.name, "error": type(error).__name__},
        )
        self._stopping.wait(POLL_SECONDS)

    def _start_over(self) -> None:
        """The next turn takes up its shards as if they were new."""
        self._claims, self._compared, self._comparison = {}, {}, None

    def _leave(self) -> None:
        try:
            drop_broken()
            self._leases.release()
        except PASSING as error:
            logger.warning(
                "leases not given back; they end by themselves", extra={"error": type(error).__name__}
            )

    def _meet(self) -> Reader:
        if self.consumer.start == "now":
            self._begun_at = Inbox.begin(self.consumer.name, now=self._clock.now())
        log = self.consumer.log or DatabaseLog()
        self._reader = Reader(
            self.consumer, log, clock=self._clock, wants=self._wants, may_go_on=self._may_go_on
        )
        return self._reader

    def _wants(self, event: Event) -> bool:
        if self.consumer.types is not None and event.type not in self.consumer.types:
            return False
        # As text: times on the wire have one form, in which the earlier is the smaller.
        begun_at = self._begun_at
        return begun_at is None or str(event.envelope["time"]) >= wire.timestamp(begun_at)

    def _may_go_on(self, stream: UUID) -> bool:
        self._hold()
        return not self._stopping.is_set() and self._leases.holds(wire.shard_of(stream))

    def _hold(self) -> None:
        if time.monotonic() >= self._hold_at:
            self._leases.hold(self._at_most)
            self._hold_at = time.monotonic() + conf().shard_lease_seconds / 3

    def _join_and_part(self) -> None:
        held = {shard for shard in range(wire.SHARD_COUNT) if self._leases.holds(shard)}
        for shard in self._compared.keys() - held:
            del self._compared[shard]
            self._claims.pop(shard, None)
            self._comparison = None
        for shard in held - self._compared.keys():
            self._group.create(shard)
            self._claims[shard] = BEGINNING
            self._compared[shard] = None

    def _retry(self, reader: Reader) -> None:
        if time.monotonic() < self._retry_at:
            return
        for stream, epoch, seq in reader.due(self._compared, limit=RETRIES):
            if self._may_go_on(stream):
                reader.retry(stream, epoch=epoch, seq=seq)
        self._retry_at = time.monotonic() + min(POLL_SECONDS, conf().consumer_retry_seconds)

    def _claim(self, reader: Reader, shard: int, start: bytes) -> None:
        """Take over a page of what the last holder left, or we did when something was away."""
        following, deliveries, is_trimmed = self._group.claim(shard, start, count=conf().consumer_batch_size)
        if is_trimmed:
            self._compared[shard] = None  # nobody knows what they held
        is_done = self._handle(reader, shard, deliveries, warily=True)
        if is_done and following is None:
            del self._claims[shard]
        elif is_done and following is not None:
            self._claims[shard] = following

    def _read(self, reader: Reader) -> bool:
        """True when there is no more at once."""
        size = conf().consumer_batch_size
        seconds = min(POLL_SECONDS, MAX_BLOCK_SECONDS / 2, conf().shard_lease_seconds / 4)
        is_busy = bool(self._claims) or self._comparison is not None
        batches = self._group.read(
            self._compared, count=size, block_ms=None if is_busy else max(1, int(seconds * 1_000))
        )
        for shard, deliveries in batches.items():
            if not self._handle(reader, shard, deliveries):
                self._claims[shard] = BEGINNING
        return all(len(deliveries) < size for deliveries in batches.values())

    def _handle(
        self, reader: Reader, shard: int, deliveries: Sequence[Delivery], *, warily: bool = False
    ) -> bool:
        """False: something was left, and is pending still."""
        if not deliveries:
            return True
        failpoint("outbox.consume.read", self.consumer.name)
        done = reader.deliver(deliveries, warily=warily)
        self._group.acknowledge(shard, done)
        return len(done) == len(deliveries)

    def _compare(self, reader: Reader, *, is_caught_up: bool) -> None:
        if self._comparison is None:
            self._comparison = self._next_comparison(reader, is_caught_up=is_caught_up)
        comparison = self._comparison
        if comparison is None or not comparison.go_on():
            return
        self._comparison = None
        # What a holder before us read past its lease may have become pending after we took over what there was.
        self._claims = dict.fromkeys(self._compared, BEGINNING)
        if not comparison.is_broken:
            self._compared.update(dict.fromkeys(comparison.shards, comparison.started))
        self._compare_at = time.monotonic() + conf().consumer_comparison_seconds

    def _next_comparison(self, reader: Reader, *, is_caught_up: bool) -> Comparison | None:
        """What has not come yet need not be lost: first everything is taken that Redis has."""
        late = time.monotonic() - self._compare_at
        is_overdue = late > OVERDUE * conf().consumer_comparison_seconds
        unknown = [shard for shard, at in self._compared.items() if at is None]
        if self._claims or not (is_caught_up or is_overdue) or not (unknown or late >= 0):
            return None
        self._notice_setback()
        started = self._clock.now()
        if unknown:
            return Comparison(reader, unknown, since=self._begun_at, started=started, warily=True)
        since = min(at for at in self._compared.values() if at is not None)
        return Comparison(reader, self._compared, since=since, started=started)

    def _notice_setback(self) -> None:
        """A firehose whose last id went back was flushed, or is an old copy: what we knew of it is void."""
        for shard, last_id in self._group.last_ids(self._compared).items():
            if last_id < self._last_ids.get(shard, last_id):
                self._compared[shard] = None
            self._last_ids[shard] = last_id
