"""The rows of deliveries: written with the consumer's mark, claimed for one try, settled by who tried.

A claim puts `due_at` past the longest try: that is its lease. `attempts` is the fence, counted before the try.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from django.db import transaction
from django.db.models import F, Value
from django.db.models.functions import Coalesce

from outbox import wire
from outbox.clock import CLOCK, Clock
from outbox.conf import time_scale
from outbox.models import Delivery, DeliveryState, Webhook
from outbox.webhooks.cloudevents import cloud_event
from outbox.webhooks.conf import conf
from outbox.webhooks.outgoing import Outgoing
from outbox.webhooks.schedule import Answer, Delivered, GivenUp, RetryIn, Verdict, judge

logger = logging.getLogger(__name__)

# Beyond the longest try: finding the host's address, waiting for a thread, settling.
LEASE_SLACK_SECONDS = 60.0
PURGE_BATCH = 1_000


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """A delivery that this process may try once. attempt: its fence."""

    delivery_id: int
    webhook_id: int
    attempt: int
    tries: int
    outgoing: Outgoing


class EventLike(Protocol):
    """What `enqueue` reads of an event: a consumer's event is one."""

    @property
    def stream(self) -> UUID: ...
    @property
    def seq(self) -> int: ...
    @property
    def epoch(self) -> int: ...
    @property
    def id(self) -> UUID: ...
    @property
    def type(self) -> str: ...
    @property
    def audience(self) -> str: ...
    @property
    def envelope(self) -> Mapping[str, Any]: ...


def enqueue(event: EventLike, *, clock: Clock = CLOCK) -> int:
    """A delivery for each webhook that wants the event, in the caller's transaction; how many want it.

    Told of the same event again it adds none: (webhook, event) is unique.
    """
    wanting = [hook for hook in Webhook.objects.filter(is_active=True) if _wants(hook, event)]
    if not wanting:
        return 0
    told = cloud_event(
        event.envelope,
        epoch=event.epoch,
        source=conf().cloud_event_source,
        type_prefix=conf().cloud_event_type_prefix,
    )
    body, now = wire.encode(told).decode(), clock.now()
    rows = [_delivery(hook, event, body, now=now) for hook in wanting]
    Delivery.objects.bulk_create(rows, ignore_conflicts=True)
    return len(wanting)


def _wants(webhook: Webhook, event: EventLike) -> bool:
    """What happened before there was a webhook is not told it: a consumer that was behind comes with old events."""
    is_new: bool = event.envelope["time"] >= wire.timestamp(webhook.created_at)
    return is_new and webhook.wants(event.type, event.audience)


def _delivery(webhook: Webhook, event: EventLike, body: str, *, now: datetime) -> Delivery:
    delivery = Delivery(
        webhook=webhook,
        stream=event.stream,
        epoch=event.epoch,
        seq=event.seq,
        event_id=event.id,
        type=event.type,
        body=body,
        due_at=now,
        created_at=now,
    )
    size, limit = len(body.encode()), conf().webhook_body_max_bytes
    if size > limit:
        delivery.state, delivery.due_at, delivery.finished_at = DeliveryState.FAILED, None, now
        delivery.last_error = f"its {size} bytes exceed LONGHAUL_WEBHOOK_BODY_MAX_BYTES"
    return delivery


def claim(*, busy: Mapping[int, int], free: int, clock: Clock) -> list[Claimed]:
    """At most `free` due deliveries. busy: how many this process has under way, by webhook.

    A webhook whose last try failed gets one try at a time: whatever it has in line, it holds one thread. Half of the
    threads are kept for webhooks that have none: a few that answer late cannot take them all.
    """
    claimed: list[Claimed] = []
    kept = conf().webhook_concurrency // 2
    for webhook in Webhook.objects.with_due(now=clock.now()) if free > 0 else ():
        left, has = free - len(claimed), busy.get(webhook.pk, 0)
        most = 1 if webhook.failures else conf().webhook_concurrency_each
        room = min(left, max(left - kept, 0 if has else 1), most - has)
        if room > 0:
            claimed += _claim_of(webhook, room, clock=clock)
    return claimed


def _claim_of(webhook: Webhook, most: int, *, clock: Clock) -> list[Claimed]:
    with transaction.atomic(durable=True):
        now = clock.now()
        rows = list(
            Delivery.objects.select_for_update(skip_locked=True)
            .filter(webhook=webhook, due_at__lte=now)
            .order_by("due_at")[:most]
        )
        lease = timedelta(seconds=conf().webhook_timeout_seconds + LEASE_SLACK_SECONDS)
        Delivery.objects.filter(pk__in=[row.pk for row in rows]).update(
            due_at=now + lease, attempts=F("attempts") + 1, tries=F("tries") + 1
        )
    secrets = webhook.signing_secrets(now)
    return [
        Claimed(
            delivery_id=row.pk,
            webhook_id=webhook.pk,
            attempt=row.attempts + 1,
            tries=row.tries + 1,
            outgoing=Outgoing(url=webhook.url, id=str(row.event_id), body=row.body.encode(), secrets=secrets),
        )
        for row in rows
    ]


def settle(claimed: Claimed, answer: Answer, *, clock: Clock, roll: float) -> bool:
    """What came of the try, in one commit. False when the delivery is another's by now: then nothing is written."""
    verdict = judge(answer, tries=claimed.tries, roll=roll, scale=time_scale())
    with transaction.atomic(durable=True):
        now = clock.now()
        mine = Delivery.objects.filter(
            pk=claimed.delivery_id, attempts=claimed.attempt, state=DeliveryState.PENDING
        )
        if not mine.update(last_status=answer.status, **_outcome(verdict, now)):
            logger.info("answer came too late", extra={"delivery": claimed.delivery_id})
            return False
        _note_health(claimed, verdict, now)
    return True


def _outcome(verdict: Verdict, now: datetime) -> dict[str, Any]:
    match verdict:
        case Delivered():
            over: dict[str, Any] = {"state": DeliveryState.DELIVERED, "due_at": None, "finished_at": now}
            return {**over, "last_error": ""}
        case RetryIn(seconds=seconds, error=error):
            return {"due_at": now + timedelta(seconds=seconds), "last_error": error}
        case GivenUp(error=error):
            over = {"state": DeliveryState.FAILED, "due_at": None, "finished_at": now}
            return {**over, "last_error": error}


def _note_health(claimed: Claimed, verdict: Verdict, now: datetime) -> None:
    webhook = Webhook.objects.filter(pk=claimed.webhook_id)
    if isinstance(verdict, Delivered):
        webhook.filter(failures__gt=0).update(failures=0, failing_since=None)
        return
    webhook.update(failures=F("failures") + 1, failing_since=Coalesce(F("failing_since"), Value(now)))
    ids = {"webhook": claimed.webhook_id, "delivery": claimed.delivery_id}
    if isinstance(verdict, GivenUp):
        logger.error("delivery given up", extra={**ids, "tries": claimed.tries, "error": verdict.error})
        if verdict.is_gone:
            _disable(claimed.webhook_id, "its server answered 410: it wants no more events", now)
            return
    limit = timedelta(seconds=conf().webhook_disable_seconds)
    if webhook.filter(failing_since__lte=now - limit).exists():
        _disable(claimed.webhook_id, f"no delivery has succeeded for {limit.days} days or longer", now)


def _disable(webhook_id: int, because: str, now: datetime) -> None:
    """Said loudly: from now on its receiver hears nothing. What is in line stays there."""
    changed = Webhook.objects.filter(pk=webhook_id, is_active=True).update(
        is_active=False, disabled_at=now, disabled_because=because
    )
    if changed:
        logger.error("webhook disabled", extra={"webhook": webhook_id, "because": because})


def purge(*, clock: Clock) -> int:
    """Remove a batch of deliveries that were over long ago, and secrets that sign no more; how many deliveries."""
    now = clock.now()
    Webhook.objects.filter(previous_until__lte=now).update(previous_secret="", previous_until=None)
    old = Delivery.objects.filter(finished_at__lt=now - timedelta(days=conf().webhook_keep_days))
    batch = list(old.order_by("finished_at").values_list("pk", flat=True)[:PURGE_BATCH])
    deleted, _ = Delivery.objects.filter(pk__in=batch).delete()
    return deleted
