"""Where a list of a run's items goes on."""

from rest_framework.exceptions import ValidationError

from outbox import epochs, wire
from outbox.models import Stream
from streaming.gateway import cursor_expired
from workflows.models import Run
from workflows.principals import Principal
from workflows.selectors import address_of


def read_cursor(text: str | None) -> wire.Cursor | None:
    """Raises ValidationError for a text that is no cursor."""
    try:
        return None if text is None else wire.parse_cursor(text)
    except ValueError as error:
        raise ValidationError(str(error)) from error


def items_cursor(run: Run, text: str | None, *, viewer: Principal) -> wire.Cursor:
    """The cursor in `text`, else the start. Items are kept as long as their run, so none is too old for them.

    Raises ValidationError when it is none, and Refused when what was read up to there is not of this log: the
    database was restored to an earlier point.
    """
    stream = Stream.objects.get(key=run.id)
    cursor = read_cursor(text)
    if cursor is None or cursor.seq == 0:  # nothing was read yet
        return wire.Cursor(epoch=stream.epoch, seq=0)
    head = wire.Cursor(epoch=stream.epoch, seq=stream.head)
    if cursor > head:
        epochs.suspect(run.id)
    if cursor > head or cursor.epoch != stream.epoch:
        raise cursor_expired(pruned=stream.pruned, snapshot=address_of(run.id, viewer=viewer))
    return cursor
