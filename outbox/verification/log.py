"""I1: the seqs of a stream are exactly `pruned + 1` … `head`, and `pruned <= published <= head`."""

from collections.abc import Iterator
from typing import Final
from uuid import UUID

from django.db.models import Count, Max, Min

from outbox.models import Stream
from outbox.verification.faults import Fault, Mend, Tally

PAGE_STREAMS: Final = 200


def verify_log(tally: Tally, *, run: UUID | None = None) -> Iterator[Fault]:
    """Each stream whose log is not whole; of one run, or of all. A run that there is not is a fault."""
    if run is not None and not Stream.objects.filter(key=run).exists():
        yield Fault(where="log", run=run, text="there is no such run", mend=Mend.NONE)
    for keys in [[run]] if run else _pages():
        # One statement sees one moment: a commit in between would look like a hole.
        counted = Stream.objects.filter(key__in=keys).annotate(
            count=Count("entries"), first=Min("entries__seq"), last=Max("entries__seq")
        )
        for row in counted.order_by("key").values_list(
            "key", "pruned", "published", "head", "count", "first", "last"
        ):
            tally.streams += 1
            if text := _wrong(*row[1:]):
                yield Fault(where="log", run=row[0], text=text, mend=Mend.NONE)


def _pages() -> Iterator[list[UUID]]:
    after = UUID(int=0)
    while keys := list(
        Stream.objects.filter(key__gt=after).order_by("key").values_list("key", flat=True)[:PAGE_STREAMS]
    ):
        yield keys
        after = keys[-1]


def _wrong(pruned: int, published: int, head: int, count: int, first: int | None, last: int | None) -> str:
    expected = head - pruned
    if count != expected:
        return f"{count} entries are there, {expected} should be ({pruned + 1} … {head})"
    if count and (first, last) != (pruned + 1, head):
        return f"its entries are {first} … {last}, and should be {pruned + 1} … {head}"
    if not pruned <= published <= head:
        return f"published is {published}, which is not within {pruned} … {head}"
    return ""
