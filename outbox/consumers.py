"""What the outbox itself does on events: it lines up what webhooks are to be told."""

from outbox.consumer import Event, consumer
from outbox.webhooks.deliveries import enqueue


@consumer("webhooks", start="now")
def line_up_deliveries(event: Event) -> None:
    enqueue(event)
