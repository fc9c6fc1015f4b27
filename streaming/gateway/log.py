"""What the gateway reads of a run's log: its tip, pages of its events. Plain functions on the database."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from outbox import wire
from outbox.models import Audience, Entry, Stream
from streaming.hints import LogEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Tip:
    """How far a log has come. `state`: the one that its last event, `run.<state>`, ended the round in; else None.

    pruned: its events up to this number are no longer kept. is_waiting: the relay has something to do here.
    """

    seq: int
    epoch: int
    state: str | None
    pruned: int = 0
    is_waiting: bool = False

    @property
    def cursor(self) -> wire.Cursor:
        return wire.Cursor(epoch=self.epoch, seq=self.seq)

    def goes_on_from(self, cursor: wire.Cursor) -> bool:
        """Whether all that came after `cursor` is here, and nothing before it was another log's."""
        return cursor.epoch == self.epoch and self.pruned <= cursor.seq <= self.seq


@dataclass(frozen=True, slots=True)
class Page:
    """Events in order. `is_last`: at the time of the read nothing came after them.

    epoch, pruned: of the log right after the read; None when there were no events.
    """

    events: Sequence[LogEvent]
    is_last: bool
    epoch: int | None = None
    pruned: int | None = None

    def continues(self, cursor: wire.Cursor) -> bool:
        """Whether what comes after `cursor` is all here, as far as it goes; False: that log is over, or cut."""
        if self.epoch is None or self.pruned is None:
            return True
        return self.epoch == cursor.epoch and self.pruned <= cursor.seq


def read_tip(run: UUID) -> Tip | None:
    """None when there is no such log."""
    fields = ("head", "epoch", "pruned", "closed", "dirty", "published")
    row = Stream.objects.filter(key=run).values_list(*fields).first()
    if row is None:
        return None
    head, epoch, pruned, closed, dirty, published = row
    state = None
    if closed:
        type_ = Entry.objects.filter(stream=run, seq=head).values_list("type", flat=True).first()
        state = None if type_ is None else type_.removeprefix("run.")
    return Tip(seq=head, epoch=epoch, state=state, pruned=pruned, is_waiting=dirty or published < head)


def read_page(run: UUID, *, after: int, limit: int) -> Page:
    """At most `limit` events above `after`, of every audience."""
    entries = Entry.objects.filter(stream=run, seq__gt=after).order_by("seq")[:limit]
    events = [LogEvent(entry.seq, entry.audience, wire.encode(wire.envelope(entry))) for entry in entries]
    is_last = len(events) < limit
    # Asked after the events: if the log is still the same one and still whole, so it was when they were read.
    row = Stream.objects.filter(key=run).values_list("epoch", "pruned").first() if events else None
    epoch, pruned = row or (None, None)
    return Page(events, is_last, epoch=epoch, pruned=pruned)


def read_last_visible(run: UUID, allowed: frozenset[str], withheld: frozenset[str]) -> int:
    """The number of the last event that a reader of these audiences may see; 0 when there is none.

    withheld: types that it may not.
    """
    visible = (
        Entry.objects.filter(stream=run, audience__in=allowed).exclude(type__in=withheld).order_by("-seq")
    )
    return visible.values_list("seq", flat=True).first() or 0


def events_page(
    run: UUID, *, after: int, limit: int, audience: Audience, withheld: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """The JSON page of a log: `events` (envelopes above `after`), `next` (the cursor to go on from, null at the
    end), `seq` and `epoch` (the head of the log before the events were read). Without those of a `withheld` type.

    Raises Stream.DoesNotExist.
    """
    stream = Stream.objects.get(key=run)
    visible = stream.entries.filter(seq__gt=after, audience__in=Audience.seen_by(audience))
    visible = visible.exclude(type__in=withheld)
    entries = list(visible.order_by("seq")[: limit + 1])
    page = entries[:limit]
    return {
        "events": [wire.envelope(entry) for entry in page],
        "next": wire.json_cursor(page[-1].seq, epoch=stream.epoch) if len(entries) > limit else None,
        "seq": stream.head,
        "epoch": stream.epoch,
    }
