"""Announce what a transaction did: outbox entries in its commit, and after it a log line for what is no transition."""

import logging
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from outbox.append import Message, append
from workflows import events

logger = logging.getLogger("workflows.events")

# Events of transitions: the machine itself logs each transition, announced or not.
TOLD_BY_MACHINES = ("run.", "step.", "attempt.", "compensation.")


def record(run_id: UUID, messages: Sequence[Message], *, now: datetime) -> int:
    """Append `messages` to the run's log; the last act of a transaction. Returns the last seq."""
    closes = events.TYPES[messages[-1].type].ENDS_ROUND
    last = append(run_id, messages, now=now, closes=closes)
    first = last - len(messages) + 1
    transaction.on_commit(lambda: _log(run_id, messages, first), robust=True)
    return last


def _log(run_id: UUID, messages: Sequence[Message], first: int) -> None:
    """Ids and codes only: prompts, items and outputs stay out of logs."""
    for seq, message in enumerate(messages, start=first):
        if not message.type.startswith(TOLD_BY_MACHINES):
            logger.info(message.type, extra={"run": str(run_id), "seq": seq, **message.headers})
