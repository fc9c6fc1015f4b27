"""What the outbox itself does on events: it lines up what webhooks are to be told."""

from outbox.consumer import Event, consumer
from outbox.models import Stream
from outbox.webhooks.deliveries import enqueue


@consumer("webhooks", start="now")
def line_up_deliveries(event: Event) -> None:
    # Its log is in this database: of a stream that is gone (erased while its event was on the way) nothing is told.
    if Stream.objects.filter(key=event.stream).exists():
        enqueue(event)
