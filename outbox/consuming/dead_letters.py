"""Dead letters, once their cause is mended."""

from django.db import transaction

from outbox.consumer import Event, Log, find
from outbox.consuming.logs import DatabaseLog
from outbox.models import Audience, DeadLetter


def apply_again(letter: DeadLetter) -> None:
    """Run the handler once more for an event that was given up, and delete its letter in the same commit.

    Outside the order of its stream: what came after it has been applied long since. Raises UnknownConsumer, whatever
    the handler raises (then the letter stays), and DeadLetter.DoesNotExist if somebody else was first.
    """
    consumer = find(letter.consumer)
    event = _event_of(letter, consumer.log or DatabaseLog())
    with transaction.atomic(durable=True):
        held = DeadLetter.objects.select_for_update().get(pk=letter.pk)
        consumer.handler(event)
        held.delete()


def _event_of(letter: DeadLetter, log: Log) -> Event:
    found = log.entries(letter.stream, epoch=letter.epoch, after=letter.seq - 1, limit=1)
    # The letter does not say who may see the event; where the log cannot either, the fewest may.
    known = [event.audience for event in found if event.id == letter.event_id]
    return Event(
        stream=letter.stream,
        seq=letter.seq,
        epoch=letter.epoch,
        id=letter.event_id,
        type=letter.type,
        audience=known[0] if known else str(Audience.OPERATOR),
        envelope=letter.envelope,
    )
