from outbox.consumer import Event, consumer
from tests.invoicing.models import Line


@consumer("invoices", types={"step.completed"})
def add_line(event: Event) -> None:
    """One line for each step that a run completed: it is written in the commit that notes the event."""
    Line.objects.create(
        run=event.stream,
        seq=event.seq,
        step=event.envelope["step"],
        seconds=event.data["duration_seconds"],
    )
