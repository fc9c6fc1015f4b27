"""What a restored backup and a retention leave behind in the log."""

from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Greatest

from outbox.models import Entry, Stream

EPOCH = 1_763_800_000  # epochs are seconds of a clock


@transaction.atomic
def restore(run: UUID, *, lost: int) -> None:
    """The stream as it was before its last `lost` events: what Redis and clients have of them never happened."""
    stream = Stream.objects.select_for_update().get(key=run)
    head = stream.head - lost
    Entry.objects.filter(stream=run, seq__gt=head).delete()
    last = Entry.objects.filter(stream=run, seq=head).first()
    closed = stream.closed and last is not None and last.type in ("run.completed", "run.failed")
    Stream.objects.filter(key=run).update(head=head, published=head, closed=closed, dirty=False)


def begin_epoch(run: UUID) -> int:
    """A new epoch, as `outbox.epochs` begins one. Returns it."""
    Stream.objects.filter(key=run).update(
        epoch=Greatest(F("epoch") + 1, EPOCH), published=Greatest(F("head") - 1, F("pruned"), 0), dirty=True
    )
    return int(Stream.objects.get(key=run).epoch)


@transaction.atomic
def prune(run: UUID, *, up_to: int) -> None:
    """Retention has removed the events up to this number."""
    Stream.objects.filter(key=run).update(pruned=up_to, published=Greatest(F("published"), up_to))
    Entry.objects.filter(stream=run, seq__lte=up_to).delete()
