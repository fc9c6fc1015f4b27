"""Announce what a transaction did: outbox entries in its commit, a log line for each after it."""

import logging
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from outbox.append import Message, append
from workflows import events

logger = logging.getLogger("workflows.events")


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
        error = message.payload.get("error")
        logger.info(
            message.type,
            extra={
                "run": str(run_id),
                "seq": seq,
                **message.headers,
                **({"error_code": error["code"]} if isinstance(error, dict) else {}),
            },
        )
