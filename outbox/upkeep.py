"""Celery shells of what keeps the outbox small: trimming and retention. Not one rule of their own."""

from celery import shared_task

from outbox.clock import CLOCK
from outbox.redis import client
from outbox.retention import prune
from outbox.trimming import trim_firehoses


@shared_task(name="outbox.trim", ignore_result=True)
def trim() -> None:
    """Keep the firehose to its time span; beat sends this once a minute."""
    trim_firehoses(client())


@shared_task(name="outbox.prune", ignore_result=True)
def prune_entries() -> None:
    """Remove old entries, where a setting says so; beat sends this every few minutes."""
    prune(clock=CLOCK)
