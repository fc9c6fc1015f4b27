"""What may happen to one inbox row, locked by the caller."""

from datetime import datetime, timedelta
from uuid import UUID

from outbox.conf import conf
from outbox.consumer import Event
from outbox.consuming.leaps import Leap
from outbox.models import DeadLetter, Inbox

MAX_ERROR = 500
MAX_FAILURES = 1_000  # counted so far


def lock(consumer: str, leap: Leap) -> Inbox:
    """The row of the leap's stream, made at the first meeting."""
    rows = Inbox.objects.select_for_update().filter(consumer=consumer, stream=leap.stream)
    place = rows.first()
    if place is None:
        made = Inbox(consumer=consumer, stream=leap.stream, epoch=leap.epoch)
        Inbox.objects.bulk_create([made], ignore_conflicts=True)  # somebody else may make it just now
        place = rows.get()
    return place


def move(place: Inbox, to: int, event_id: UUID | None) -> None:
    """Everything up to `to` is done with, event `event_id`; the next event begins with a clean sheet."""
    place.seq, place.event_id = to, event_id
    place.failures, place.put_off, place.retry_at, place.error = 0, 0, None, ""
    place.save(update_fields=["epoch", "seq", "event_id", "failures", "put_off", "retry_at", "error"])


def enter_epoch(place: Inbox, epoch: int, *, head: int) -> None:
    place.epoch = epoch
    move(place, min(place.seq, head), place.event_id)


def wait(place: Inbox, leap: Leap, *, failures: int, put_off: int = 0, error: str, now: datetime) -> None:
    """The stream waits for the next try of what failed: twice as long each time, up to a cap."""
    limits = conf()
    doubled = limits.consumer_retry_seconds * 2.0 ** min(max(failures, put_off) - 1, 30)
    place.retry_at = now + timedelta(seconds=min(limits.consumer_retry_cap_seconds, doubled))
    place.failures, place.put_off = min(failures, MAX_FAILURES), min(put_off, MAX_FAILURES)
    place.error = error[:MAX_ERROR]
    if place.epoch == leap.epoch:
        place.seq = max(place.seq, leap.to - 1)  # what lies before the event needs no effect
    place.save(update_fields=["seq", "failures", "put_off", "retry_at", "error"])


def bury(place: Inbox, event: Event, *, failures: int, error: str, now: datetime) -> None:
    """The event becomes a dead letter, and the inbox goes past it."""
    DeadLetter.objects.get_or_create(
        consumer=place.consumer,
        stream=event.stream,
        epoch=event.epoch,
        seq=event.seq,
        defaults={
            "event_id": event.id,
            "type": event.type,
            "envelope": event.envelope,
            "failures": min(failures, MAX_FAILURES),
            "error": error[:MAX_ERROR],
            "created_at": now,
        },
    )
    move(place, event.seq, event.id)
