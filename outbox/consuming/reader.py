"""From what comes to the inbox: in the order of each stream, with the log for what did not come."""

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, takewhile
from operator import attrgetter
from uuid import UUID

from outbox.clock import Clock
from outbox.consumer import Consumer, Event, Log
from outbox.consuming.inbox import Inboxes
from outbox.consuming.leaps import Leap, Turn, leaps

logger = logging.getLogger(__name__)

PAGE = 200  # entries of one stream read from the log at a time


@dataclass(frozen=True)
class Delivery:
    """An entry of a firehose. `event` is None when the firehose has only a stub of it: the log has it whole."""

    id: bytes
    stream: UUID
    event: Event | None


class Reader:
    """Gives a consumer its events. `may_go_on(stream)` is asked before each one: False ends the work on it here."""

    def __init__(
        self,
        consumer: Consumer,
        log: Log,
        *,
        clock: Clock,
        wants: Callable[[Event], bool],
        may_go_on: Callable[[UUID], bool] = lambda stream: True,
    ) -> None:
        self.consumer = consumer
        self.log = log
        self._inboxes = Inboxes(consumer, clock=clock)
        self._wants = wants
        self._may_go_on = may_go_on

    def deliver(self, deliveries: Sequence[Delivery], *, warily: bool = False) -> list[bytes]:
        """Apply what was delivered; returns the ids of the entries that are done with, which may be acknowledged.

        Done with is also what waits after a failure: the next try reads it from the log.
        """
        by_stream = attrgetter("stream")
        strangers = self._strangers(deliveries)
        ours = [delivery for delivery in deliveries if delivery not in strangers]
        ordered = sorted(ours, key=by_stream)  # stable: each stream keeps its order
        streams = {key: list(group) for key, group in groupby(ordered, key=by_stream)}
        places = self._inboxes.places(streams)
        plans = {key: self._plan(group, places.get(key, (0, 0))) for key, group in streams.items()}
        idle = [plan[0] for key, plan in plans.items() if self._is_idle(plan, streams[key])]
        passed = self._inboxes.pass_over(idle) if idle else set()
        done = [delivery.id for delivery in strangers]
        for key, group in streams.items():
            if key in passed or self._deliver_stream(key, plans[key], group, warily=warily):
                done += [delivery.id for delivery in group]
        return done

    def catch_up(self, stream: UUID, *, warily: bool = False) -> int | None:
        """Apply what the log has above the inbox, up to its end or to a failure.

        Returns the seq of the inbox then; None if it was broken off. warily: see `Inboxes.take`; the first event only,
        since whoever dies of a later one begins with that one the next time.
        """
        while True:
            epoch, seq = self._inboxes.places([stream]).get(stream, (1, 0))
            head = self.log.head(stream)
            if head is not None and head.epoch > epoch:
                if self._enter_epoch(stream, head.epoch, head=head.seq) is Turn.WAITS:
                    return seq
                continue
            page = self.log.entries(stream, epoch=epoch, after=seq, limit=PAGE)
            if page and seq and page[0].seq > seq + 1:
                self._tell("events are gone from the log before they were applied", stream, after=seq)
            for leap in leaps(page, self._wants, after=seq):
                if not self._may_go_on(stream):
                    return None
                turn = self._inboxes.take(leap, warily=warily)
                if turn not in (Turn.GO, Turn.PAST):
                    return seq
                seq, warily = leap.to, False
            # A short page is not the end: a log may leave out what it cannot tell.
            if not page or (head is not None and (head.epoch, head.seq) <= (epoch, seq)):
                return seq

    def places(self, streams: Collection[UUID]) -> dict[UUID, tuple[int, int]]:
        return self._inboxes.places(streams)

    def due(self, shards: Collection[int], *, limit: int) -> list[tuple[UUID, int, int]]:
        return self._inboxes.due(shards, limit=limit)

    def retry(self, stream: UUID, *, epoch: int, seq: int) -> None:
        """The wait of an inbox at `seq` of `epoch` is over: try again, from the log."""
        reached = self.catch_up(stream, warily=True)
        if reached == seq and not self.log.entries(stream, epoch=epoch, after=seq, limit=1):
            self._tell("an event that was to be tried again is gone from the log", stream, after=seq)
            self._inboxes.end_wait(stream, epoch=epoch, seq=seq)

    def _strangers(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """What Redis still has of a history that is no more: numbers of its own events may be taken by others now."""
        events = [delivery.event for delivery in deliveries if delivery.event]
        ids = self.log.strangers(events) if events else ()
        found = [delivery for delivery in deliveries if delivery.event and delivery.event.id in ids]
        for stream in {delivery.stream for delivery in found}:
            self._tell("events that the log does not have are dropped", stream)
        return found

    def _plan(self, group: Sequence[Delivery], place: tuple[int, int]) -> list[Leap]:
        """What is new to an inbox at `place`, up to the first stub: there the log goes on."""
        whole = takewhile(lambda delivery: delivery.event is not None, group)
        events = (delivery.event for delivery in whole if delivery.event)
        return list(leaps((event for event in events if (event.epoch, event.seq) > place), self._wants))

    @staticmethod
    def _is_idle(plan: Sequence[Leap], group: Sequence[Delivery]) -> bool:
        return len(plan) == 1 and plan[0].event is None and all(delivery.event for delivery in group)

    def _deliver_stream(
        self, stream: UUID, plan: Sequence[Leap], group: Sequence[Delivery], *, warily: bool
    ) -> bool:
        """False: it was broken off, and is to be delivered again."""
        reached = (0, 0)  # what was read from the log: (epoch, seq)
        for leap in plan:
            if not self._may_go_on(stream):
                return False
            if (leap.epoch, leap.to) <= reached:
                continue
            turn = self._inboxes.take(leap, warily=warily)
            if turn is Turn.NEW_EPOCH:
                turn = self._follow_epoch(leap, warily=warily)
            if turn is Turn.AHEAD:
                caught_up = self.catch_up(stream, warily=warily)
                if caught_up is None:
                    return False
                reached = (leap.epoch, caught_up)
                turn = self._inboxes.take(leap, warily=warily)
            if turn is Turn.AHEAD:
                turn = self._cross_gap(leap, warily=warily)
            if turn in (Turn.WAITS, Turn.AHEAD, Turn.NEW_EPOCH):
                return True
            warily = False
        has_stub = any(delivery.event is None for delivery in group)
        return not has_stub or self.catch_up(stream, warily=warily) is not None

    def _follow_epoch(self, leap: Leap, *, warily: bool) -> Turn:
        head = self.log.head(leap.stream)
        is_known = head is not None and head.epoch == leap.epoch
        self._enter_epoch(
            leap.stream, leap.epoch, head=max(head.seq, leap.to) if head and is_known else leap.to
        )
        return self._inboxes.take(leap, warily=warily)

    def _enter_epoch(self, stream: UUID, epoch: int, *, head: int) -> Turn:
        applied, last = self._inboxes.last(stream)
        shared = applied if last is None else self._shared(stream, epoch, upto=applied, last=last)
        to = shared if shared < applied else head
        return self._inboxes.enter_epoch(Leap(stream, epoch, 0, to, None), applied=applied)

    def _shared(self, stream: UUID, epoch: int, *, upto: int, last: UUID) -> int:
        """How far the log, restored, still tells what was applied up to seq `upto`, event `last`.

        Above that its numbers belong to events that were written after the restore. Ids begin with the time, and a
        restore takes longer than clocks differ: those events have greater ids than any that was lost.
        """
        while upto > 0:
            after = max(0, upto - PAGE)
            page = self.log.entries(stream, epoch=epoch, after=after, limit=PAGE)
            ids = {event.seq: event.id for event in page if event.seq <= upto}
            if not ids:
                break  # gone from the log: nothing says otherwise
            if shared := [seq for seq, event_id in ids.items() if event_id <= last]:
                return max(shared)
            upto = after
        return upto

    def _cross_gap(self, leap: Leap, *, warily: bool) -> Turn:
        """Something before `leap` is missing, and the log did not have it either."""
        head = self.log.head(leap.stream)
        if head is None or (head.epoch == leap.epoch and head.seq >= leap.to):
            self._tell("what the log does not have is passed over", leap.stream, to=leap.to)
            return self._inboxes.take(replace(leap, after=0), warily=warily)
        # The log is behind Redis, or in an epoch that we hear of only now: a database was restored. The comparison, or
        # the first event of the new epoch, brings what is missing.
        self._tell("the log lacks what Redis has", leap.stream, head=head.seq, to=leap.to)
        return Turn.AHEAD

    def _tell(self, message: str, stream: UUID, **more: object) -> None:
        logger.error(message, extra={"consumer": self.consumer.name, "run": str(stream), **more})
