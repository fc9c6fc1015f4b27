"""Where a relay is in each stream: `published`, how often it failed there, and when to try again.

Each write is guarded by the epoch that was read, since the cursor of another epoch says nothing of this one.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F, Value
from django.db.models.functions import Greatest

from outbox.backlog import Waiting, prepared
from outbox.clock import Clock
from outbox.conf import conf
from outbox.models import Stream

MAX_FAILURES = 1_000  # counted so far; the wait has reached its cap long before


@dataclass(frozen=True, slots=True)
class Move:
    """Redis has stream `key` up to `last`. failures: what is written down as such from now on."""

    key: UUID
    epoch: int
    last: int
    failures: int


# `dirty` is decided on the row as it is now: a commit since the read has moved its head. Never past the head: that
# Redis has more can only mean that the database was restored (`outbox.epochs`).
MOVE = """
UPDATE outbox_stream AS s
SET published = CASE WHEN v.column3 > s.published THEN v.column3 ELSE s.published END,
    dirty = s.head > v.column3, failures = v.column4, retry_at = NULL
FROM (VALUES {rows}) AS v
WHERE s.key = v.column1 AND s.epoch = v.column2 AND s.head >= v.column3 {free}
RETURNING key
"""
# A writer in the middle of its transaction holds its stream's row: the relay does not wait for it, nor two relays for
# each other in a circle. What is skipped stays dirty, and the next pass finds that Redis has it.
FREE = "AND s.key IN (SELECT key FROM outbox_stream WHERE key IN ({keys}) FOR NO KEY UPDATE SKIP LOCKED)"


def move_cursors(moves: Sequence[Move]) -> set[UUID]:
    """One statement for all streams of a pass. Returns those that moved."""
    if not moves:
        return set()
    uuid, number = ("%s::uuid", "%s::bigint") if connection.vendor == "postgresql" else ("%s", "%s")
    rows = ", ".join([f"({uuid}, {number}, {number}, {number})"] * len(moves))
    keys = [prepared(move.key) for move in moves]
    parameters: list[Any] = []
    for key, move in zip(keys, moves, strict=True):
        parameters += [key, move.epoch, move.last, move.failures]
    free = ""
    if connection.features.has_select_for_update_skip_locked:
        free = FREE.format(keys=", ".join(["%s"] * len(keys)))
        parameters += keys
    with connection.cursor() as cursor:
        cursor.execute(MOVE.format(rows=rows, free=free), parameters)
        return {key if isinstance(key, UUID) else UUID(key) for (key,) in cursor.fetchall()}


def rewind(waiting: Waiting, last: int) -> None:
    """Publish again from `last` + 1, unless another relay has moved the cursor meanwhile."""
    _update(waiting, published=Greatest(Value(last), F("pruned")), dirty=True)


def back_off(waiting: Waiting, *, clock: Clock) -> float:
    """This stream waits alone; the others go on. Returns seconds."""
    limits = conf()
    wait = min(limits.relay_retry_cap_seconds, limits.relay_retry_seconds * 2.0 ** min(waiting.failures, 30))
    failures = min(waiting.failures + 1, MAX_FAILURES)
    _update(waiting, failures=failures, retry_at=clock.now() + timedelta(seconds=wait))
    return wait


def _update(waiting: Waiting, **values: Any) -> None:
    """Compare and set: what another relay has found out since is the later word. A row that a writer holds is left
    alone; the stream stays dirty, and the next pass comes to the same.
    """
    same = Stream.objects.filter(
        key=waiting.key, epoch=waiting.epoch, published=waiting.published, failures=waiting.failures
    )
    with transaction.atomic():
        if same.select_for_update(skip_locked=True, no_key=True).exists():
            same.update(**values)


def behind(heads: Collection[tuple[UUID, int, int]]) -> list[tuple[UUID, int]]:
    """Of (stream, epoch, last seq in Redis) those whose head is lower now: (stream, epoch)."""
    return [
        (key, epoch)
        for key, epoch, last in heads
        if Stream.objects.filter(key=key, epoch=epoch, head__lt=last).exists()
    ]
