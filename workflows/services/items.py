"""What a step writes while it works: items, messages, progress. Every write is fenced and says "I am alive"."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F

from outbox.append import Message
from outbox.clock import Clock
from outbox.failpoints import failpoint
from workflows import events
from workflows.engine.items import Change, ItemsReset, NewItem, RejectedItem, ReplacedItem, RetractedItem
from workflows.engine.lease import Lease
from workflows.models import Item, Step
from workflows.services.journal import record


def commit_items(lease: Lease, changes: Sequence[Change], *, clock: Clock) -> int:
    """Write a batch of items and their events in one commit; indexes follow the step's last one. Returns the next.

    Raises LeaseLost when another attempt owns the step by now; nothing is written then.
    """
    new = [change for change in changes if isinstance(change, NewItem)]
    with transaction.atomic(durable=True):
        Step.objects.fence(lease.step_id, lease.token, items_count=F("items_count") + len(new))
        step = Step.objects.get(pk=lease.step_id)
        now = clock.now()
        _touch(step, lease, now=now)
        _take_away(lease, changes)
        index = step.items_count - len(new)
        rows: list[tuple[int, Item]] = []
        messages: list[Message] = []
        for offset, change in enumerate(changes):
            if isinstance(change, NewItem):
                rows.append((offset, _row(lease, change, index, now=now)))
                index += 1
            messages.append(_announce(lease, change, index - 1))
        last = record(lease.run_id, messages, now=now)
        first = last - len(messages) + 1
        # After the append, since a row carries the seq of its event; inserting rows takes no lock that others order.
        for offset, row in rows:
            row.seq = first + offset
        Item.objects.bulk_create(row for _, row in rows)
        for offset, change in enumerate(changes):
            if isinstance(change, ReplacedItem):
                Item.objects.filter(step_id=lease.step_id, index=change.index).update(
                    data=change.value, seq=first + offset, attempt=lease.number
                )
    failpoint("workflows.items.committed", lease)
    return index


def _take_away(lease: Lease, changes: Sequence[Change]) -> None:
    """Mark the rows that a reset replaces or that are retracted, and count them on the step.

    Before the batch's own rows are there: a reset is about those of earlier attempts.
    """
    current, gone = Item.objects.current().filter(step_id=lease.step_id), 0
    for change in changes:
        if isinstance(change, ItemsReset):
            replaced = current.filter(index__gt=change.keep_through)
            gone += replaced.update(replaced_by_attempt=lease.number)
    indexes = [change.index for change in changes if isinstance(change, RetractedItem)]
    if indexes:
        gone += current.filter(index__in=indexes).update(retracted_by_attempt=lease.number)
    if gone:
        Step.objects.filter(pk=lease.step_id).update(items_gone=F("items_gone") + gone)


def say(lease: Lease, template: str, params: dict[str, Any], *, clock: Clock) -> None:
    """Set the step's state sentence and tell it. `template` is an English format string, `params` JSON values."""
    with transaction.atomic(durable=True):
        Step.objects.fence(lease.step_id, lease.token, state_info={"template": template, "params": params})
        step = Step.objects.get(pk=lease.step_id)
        now = clock.now()
        _touch(step, lease, now=now)
        data = events.Said(template=template, params=params, text=template.format(**params))
        record(lease.run_id, [events.message(data, step=lease.step_name, attempt=lease.number)], now=now)


def save_progress(lease: Lease, progress: dict[str, Any], *, clock: Clock) -> None:
    """Keep the step's progress for snapshots; the live figure travels as an ephemeral frame."""
    with transaction.atomic(durable=True):
        Step.objects.fence(lease.step_id, lease.token, progress=progress)
        _touch(Step.objects.get(pk=lease.step_id), lease, now=clock.now())


def touch(lease: Lease, *, clock: Clock) -> None:
    """Say "I am alive" without anything to tell."""
    with transaction.atomic(durable=True):
        Step.objects.fence(lease.step_id, lease.token)
        _touch(Step.objects.get(pk=lease.step_id), lease, now=clock.now())


def _touch(step: Step, lease: Lease, *, now: datetime) -> None:
    """Activity moves the idle limit, and the alarm with it."""
    if step.idle_timeout_seconds is None:
        return
    step.idle_deadline_at = now + timedelta(seconds=step.idle_timeout_seconds)
    Step.objects.filter(pk=step.pk, lease_token=lease.token).update(
        idle_deadline_at=step.idle_deadline_at, due_at=step.alarm()
    )


def _row(lease: Lease, change: NewItem, index: int, *, now: datetime) -> Item:
    return Item(
        run_id=lease.run_id,
        step_id=lease.step_id,
        attempt=lease.number,
        index=index,
        key=change.key,
        type=change.type,
        data=change.value,
        created_at=now,
    )


def _announce(lease: Lease, change: Change, index: int) -> Message:
    data: events.EventData
    match change:
        case NewItem():
            data = events.ItemCommitted(
                index=index,
                key=change.key,
                type=change.type,
                value=change.value,
                repaired=_repaired(change),
            )
        case ReplacedItem():
            data = events.ItemReplaced(
                index=change.index, key=change.key, value=change.value, repaired=_repaired(change)
            )
        case RetractedItem():
            data = events.ItemRetracted(index=change.index, key=change.key, value=change.value)
        case ItemsReset():
            data = events.ItemsReset(policy=change.policy, keep_through=change.keep_through)
        case RejectedItem():
            data = events.ItemRejected(
                position=change.position, reason=change.reason, raw=change.raw, raw_size=change.raw_size
            )
    return events.message(data, step=lease.step_name, attempt=lease.number)


def _repaired(change: NewItem | ReplacedItem) -> events.RepairedData | None:
    return events.RepairedData(**asdict(change.repaired)) if change.repaired else None
