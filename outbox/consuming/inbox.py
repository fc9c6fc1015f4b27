"""The commit in which an event has its effect: the inbox row is locked, the handler runs, the row moves on.

Any number of consumers may come here with the same events in any order: the row decides.
"""

import logging
import traceback
from collections.abc import Collection, Sequence
from itertools import islice
from uuid import UUID

from django.db import transaction

from outbox import wire
from outbox.clock import Clock
from outbox.conf import conf
from outbox.connections import PASSING, drop_broken
from outbox.consumer import Consumer, Event, Restored
from outbox.consuming import places
from outbox.consuming.leaps import Leap, Turn, turn_of
from outbox.failpoints import failpoint
from outbox.models import Inbox

logger = logging.getLogger(__name__)

GIVEN_UP = "event given up: it is a dead letter"


class Inboxes:
    """The inbox rows of one consumer. Every method raises errors of the database when that is away."""

    def __init__(self, consumer: Consumer, *, clock: Clock) -> None:
        self._consumer = consumer
        self._clock = clock

    def places(self, streams: Collection[UUID]) -> dict[UUID, tuple[int, int]]:
        """(epoch, seq) of the streams that have an inbox. Unlocked: a row may be further on already, never back."""
        rows = Inbox.objects.filter(consumer=self._consumer.name, stream__in=streams)
        return {key: (epoch, seq) for key, epoch, seq in rows.values_list("stream", "epoch", "seq")}

    def last(self, stream: UUID) -> tuple[int, UUID | None]:
        """(seq, id of the last event that is known to be done with) of an inbox."""
        rows = Inbox.objects.filter(consumer=self._consumer.name, stream=stream)
        return rows.values_list("seq", "event_id").first() or (0, None)

    def take(self, leap: Leap, *, warily: bool = False) -> Turn:
        """Make `leap` if it is its turn (GO: it was); what else there is says why it was not.

        warily: count the try before it is made, since one that takes its process with it is never heard of again.
        """
        if warily and leap.event is not None and not self._note_try(leap, leap.event):
            return Turn.PAST
        try:
            with transaction.atomic(durable=True):
                place, turn = self._look(leap)
                if turn is Turn.GO:
                    if leap.event is not None:
                        self._consumer.handler(leap.event)
                        failpoint("outbox.consume.handled", self._consumer.name)
                    places.move(place, leap.to, leap.last)
        except PASSING as error:
            return self._put_off(leap, error, noted=warily)
        except Exception as error:
            return self._fail(leap, error, noted=warily)
        if turn is Turn.GO and leap.event is not None:
            failpoint("outbox.consume.applied", self._consumer.name)
        return turn

    def pass_over(self, leaps: Sequence[Leap]) -> set[UUID]:
        """Make leaps without an event, one a stream, in one commit. Returns the streams that are past theirs."""
        rows = Inbox.objects.filter(consumer=self._consumer.name, stream__in=[leap.stream for leap in leaps])
        with transaction.atomic(durable=True):
            known = set(rows.values_list("stream", flat=True))
            if len(known) < len(leaps):
                new = [self._at(leap, 0) for leap in leaps if leap.stream not in known]
                Inbox.objects.bulk_create(new, ignore_conflicts=True)
            # In one order for everybody, so that two of us cannot deadlock.
            at = {place.stream: place for place in rows.select_for_update().order_by("stream")}
            turns = {leap: self._turn(at[leap.stream], leap) for leap in leaps}
            moved = [self._at(leap, leap.to) for leap, turn in turns.items() if turn is Turn.GO]
            # All are there and locked: this is an UPDATE of many rows, in the one form that is quick on both databases.
            Inbox.objects.bulk_create(
                moved,
                update_conflicts=True,
                unique_fields=["consumer", "stream"],
                update_fields=["seq", "event_id"],
            )
        return {leap.stream for leap, turn in turns.items() if turn in (Turn.GO, Turn.PAST)}

    def _at(self, leap: Leap, seq: int) -> Inbox:
        last = leap.last if seq else None
        return Inbox(
            consumer=self._consumer.name, stream=leap.stream, epoch=leap.epoch, seq=seq, event_id=last
        )

    def due(self, shards: Collection[int], *, limit: int) -> list[tuple[UUID, int, int]]:
        """(stream, epoch, seq) of inboxes of `shards` whose wait after a failure is over, the longest over first."""
        rows = Inbox.objects.filter(consumer=self._consumer.name, retry_at__lte=self._clock.now())
        due = rows.order_by("retry_at").values_list("stream", "epoch", "seq")
        # Sifted here, before the limit: no database computes shards, and those that nobody has may fill any page.
        return list(islice((row for row in due.iterator() if wire.shard_of(row[0]) in shards), limit))

    def end_wait(self, stream: UUID, *, epoch: int, seq: int) -> None:
        """Nothing is left to try again, unless the inbox has gone on since, or waits anew."""
        rows = Inbox.objects.filter(consumer=self._consumer.name, stream=stream, epoch=epoch, seq=seq)
        rows.filter(retry_at__lte=self._clock.now()).update(retry_at=None, failures=0, put_off=0, error="")

    def enter_epoch(self, leap: Leap, *, applied: int) -> Turn:
        """The log was restored: go on in the leap's epoch, from no later than `leap.to`.

        AHEAD: the inbox is no longer at `applied`, of which the caller knows how much the log still has; ask again.
        """
        try:
            with transaction.atomic(durable=True):
                place, turn = self._look(leap)
                if turn is Turn.NEW_EPOCH and place.seq != applied:
                    return Turn.AHEAD
                if turn is Turn.NEW_EPOCH:
                    self._tell("log restored", leap, applied=applied)
                    restored = Restored(stream=leap.stream, epoch=leap.epoch, applied=applied, head=leap.to)
                    places.enter_epoch(place, leap.epoch, head=leap.to)
                    if self._consumer.on_restored is not None:
                        self._consumer.on_restored(restored)
        except PASSING as error:
            return self._put_off(leap, error)
        except Exception as error:
            return self._fail(leap, error)
        return turn

    def _look(self, leap: Leap) -> tuple[Inbox, Turn]:
        place = places.lock(self._consumer.name, leap)
        return place, self._turn(place, leap)

    def _turn(self, place: Inbox, leap: Leap) -> Turn:
        turn = turn_of(leap, epoch=place.epoch, seq=place.seq)
        if turn is Turn.PAST or place.retry_at is None or place.retry_at <= self._clock.now():
            return turn
        return Turn.WAITS

    def _note_try(self, leap: Leap, event: Event) -> bool:
        """False: this one has ended its process too often, and is a dead letter now."""
        with transaction.atomic(durable=True):
            place, turn = self._look(leap)
            if turn is not Turn.GO:
                return True
            failures, error = place.failures, place.error
            given_up = failures >= conf().consumer_tries
            if given_up:
                places.bury(place, event, failures=failures, error=error, now=self._clock.now())
            else:
                place.failures, place.error = failures + 1, "the process ended while the handler ran"
                place.save(update_fields=["failures", "error"])
        if given_up:
            self._tell(GIVEN_UP, leap, failures=failures)
        return not given_up

    def _put_off(self, leap: Leap, error: Exception, *, noted: bool = False) -> Turn:
        """Trouble of the database (a deadlock, a lock that took too long) is not the event's fault: no dead letter.

        When the database is away, this raises in turn and the whole consumer waits. When it is there, the stream waits
        alone, longer each time, so that a handler that always meets such trouble holds up nobody else.
        """
        drop_broken()
        with transaction.atomic(durable=True):
            place, turn = self._look(leap)
            if turn not in (Turn.GO, Turn.NEW_EPOCH):
                return turn  # the commit whose answer was lost had been made
            failures, times, now = place.failures - noted, place.put_off + 1, self._clock.now()
            places.wait(place, leap, failures=failures, put_off=times, error=_text(error), now=now)
        self._tell("event put off", leap, times=times, error=_where(error))
        return Turn.WAITS

    def _fail(self, leap: Leap, error: Exception, *, noted: bool = False) -> Turn:
        """Count the failure and let the stream wait; after the last one go past what failed."""
        now, text = self._clock.now(), _text(error)
        with transaction.atomic(durable=True):
            place, turn = self._look(leap)
            if turn is Turn.PAST:
                self._tell("failed after the commit of the event", leap, error=_where(error))
            if turn not in (Turn.GO, Turn.NEW_EPOCH):
                return turn
            failures = place.failures + (not noted)
            given_up = failures >= conf().consumer_tries
            if not given_up:
                places.wait(place, leap, failures=failures, error=text, now=now)
            elif turn is Turn.NEW_EPOCH:
                places.enter_epoch(place, leap.epoch, head=leap.to)
            elif leap.event is not None:
                places.bury(place, leap.event, failures=failures, error=text, now=now)
            else:
                raise error
        message = GIVEN_UP if given_up else "event not applied"
        self._tell(message, leap, failures=failures, error=_where(error))
        return Turn.GO if given_up else Turn.WAITS

    def _tell(self, message: str, leap: Leap, **more: object) -> None:
        names = {
            "consumer": self._consumer.name,
            "run": str(leap.stream),
            "epoch": leap.epoch,
            "seq": leap.to,
        }
        logger.error(message, extra={**names, **more})


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _where(error: Exception) -> str:
    """For the log, which has no business with what an event said: the kind of error and the line it came from."""
    last = traceback.extract_tb(error.__traceback__)[-1:]
    return " ".join([type(error).__name__, *(f"{frame.filename}:{frame.lineno}" for frame in last)])
