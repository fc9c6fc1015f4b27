"""Every event and frame that the engine emits in a test is held against its published schema, closed."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from uuid import UUID, uuid4

import jsonschema_rs
import pytest

from outbox import wire
from outbox.append import Message
from tests.factories import NOW
from workflows.api.description.events import closed_schema
from workflows.events import TYPES
from workflows.services import journal, partials, records

# What did not fit since the last look. Raised where it was emitted, it would be taken for a fault of the step.
faults: list[str] = []


def check(envelope: Any) -> None:
    kind = TYPES.get(envelope["type"])
    if kind is None:
        faults.append(f"{envelope['type']} is in no registry")
    elif not (validator := _validator(envelope["type"])).is_valid(envelope):
        faults.extend(f"{envelope['type']}: {fault.message}" for fault in validator.iter_errors(envelope))


@cache
def _validator(name: str) -> Any:
    return jsonschema_rs.validator_for(closed_schema(TYPES[name]), validate_formats=True)


@contextmanager
def every_event_checked() -> Iterator[None]:
    """While it lasts, nothing passes from the engine to the outbox unseen."""
    append, send_frame = journal.append, records.send_frame

    def checked_append(key: UUID, messages: list[Message], **options: Any) -> int:
        for seq, message in enumerate(messages, start=1):
            check(_envelope(key, message, seq=seq))
        return append(key, messages, **options)

    def checked_frame(run: UUID, frame: Any, **options: Any) -> Any:
        check(frame)
        return send_frame(run, frame, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal, "append", checked_append)
        patch.setattr(records, "send_frame", checked_frame)
        patch.setattr(partials, "send_frame", checked_frame)
        yield


def _envelope(run: UUID, message: Message, *, seq: int) -> dict[str, Any]:
    return wire.envelope_of(
        seq=seq,
        id=str(uuid4()),
        type=message.type,
        run=str(run),
        headers=message.headers,
        time=wire.timestamp(NOW),
        data=message.payload,
    )


def told() -> list[str]:
    """The faults since the last call."""
    found = faults.copy()
    faults.clear()
    return found
