"""The Celery chain: transport only. It may be lost, doubled or late; the sweeper sends the rest again.

Tasks are called by name, which keeps services from importing tasks.
"""

import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from celery import Signature, chain, current_app
from django.db import transaction

logger = logging.getLogger(__name__)

RUN_STEP = "workflows.run_step"

_silences: list[object] = []


@dataclass(frozen=True, kw_only=True)
class Link:
    """One step of a chain. hard_limit_seconds: the pool kills the child after it. label: what Flower shows."""

    step_id: UUID
    queue: str
    hard_limit_seconds: float
    label: str


def send_on_commit(chains: Sequence[Sequence[Link]]) -> None:
    """Send after the commit that made the first link of each chain acquirable. Failing is logged, not raised."""
    waiting = [links for links in chains if links]
    if waiting:
        transaction.on_commit(lambda: _send_all(waiting), robust=True)  # Django cannot name a partial


def _send_all(chains: Sequence[Sequence[Link]]) -> None:
    """Send until the broker refuses one: thousands of parts must not wait for thousands of its time-outs.

    Each step has its alarm: the sweeper sends what was not sent.
    """
    for sent, links in enumerate(chains):
        try:
            send(links)
        except Exception as error:  # of whatever broker
            unsent = len(chains) - sent
            logger.warning("broker away; steps wait", extra={"error": type(error).__name__, "unsent": unsent})
            return


@contextmanager
def silence() -> Iterator[None]:
    """For tests without a broker: until the block ends nothing is sent, and every queue counts as empty."""
    _silences.append(None)
    try:
        yield
    finally:
        _silences.pop()


def send(links: Sequence[Link]) -> None:
    """Publish one chain now. Raises what the broker raises: the sweeper sends it later."""
    if _silences:
        return
    signatures = [_signature(link) for link in links]
    work = signatures[0] if len(signatures) == 1 else chain(*signatures)
    work.apply_async()
    logger.debug("chain sent", extra={"steps": [str(link.step_id) for link in links]})


def count_messages(queues: Collection[str]) -> dict[str, int]:
    """How many messages wait in each of these queues. Raises what the broker raises."""
    if _silences or not queues:
        return {}
    with current_app.connection_or_acquire() as connection:
        channel = connection.default_channel
        return {name: int(channel.queue_declare(name).message_count) for name in queues}


def _signature(link: Link) -> Signature:
    options = {"queue": link.queue, "time_limit": link.hard_limit_seconds, "argsrepr": link.label}
    return current_app.signature(RUN_STEP, args=[str(link.step_id)], immutable=True, options=options)
