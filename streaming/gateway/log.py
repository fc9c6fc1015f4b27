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
    """How far a log has come. `state`: the one that its last event, `run.<state>`, ended the round in; else None."""

    seq: int
    epoch: int
    state: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """Events in order. `is_last`: at the time of the read nothing came after them."""

    events: Sequence[LogEvent]
    is_last: bool


def read_tip(run: UUID) -> Tip | None:
    """None when there is no such log."""
    row = Stream.objects.filter(key=run).values_list("head", "epoch", "closed").first()
    if row is None:
        return None
    head, epoch, closed = row
    state = None
    if closed:
        type_ = Entry.objects.filter(stream=run, seq=head).values_list("type", flat=True).get()
        state = type_.removeprefix("run.")
    return Tip(seq=head, epoch=epoch, state=state)


def read_page(run: UUID, *, after: int, limit: int) -> Page:
    """At most `limit` events above `after`, of every audience."""
    entries = Entry.objects.filter(stream=run, seq__gt=after).order_by("seq")[:limit]
    events = [LogEvent(entry.seq, entry.audience, wire.encode(wire.envelope(entry))) for entry in entries]
    return Page(events, is_last=len(events) < limit)


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
        "next": _cursor(page[-1].seq, stream.epoch) if len(entries) > limit else None,
        "seq": stream.head,
        "epoch": stream.epoch,
    }


def _cursor(seq: int, epoch: int) -> int | str:
    return seq if epoch == 1 else wire.format_cursor(seq, epoch=epoch)
