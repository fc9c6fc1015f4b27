"""The frames that are kept of a run for those who come in the middle; one read for all who come at a time."""

from functools import partial
from uuid import UUID

from outbox.frames import read_latest
from streaming.gateway.reads import read
from streaming.gateway.shared import SharedRead
from streaming.hints import LiveFrame


def latest_frames(run: UUID) -> SharedRead[list[LiveFrame]]:
    return SharedRead(partial(read, _read, run))


def _read(run: UUID) -> list[LiveFrame]:
    return [LiveFrame(audience, body) for audience, body in read_latest(run)]
