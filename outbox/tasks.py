"""The relay's Celery shell."""

from typing import Any

from celery import shared_task
from celery.signals import worker_shutting_down

from outbox.conf import conf
from outbox.looping import RelayLoop

LOOP = RelayLoop()


@worker_shutting_down.connect(weak=False)
def stop_lingering(**_: Any) -> None:
    """A warm shutdown waits for its tasks: the one that lingers must hear of it."""
    LOOP.stop()


@shared_task(name="outbox.relay", ignore_result=True)
def relay() -> None:
    """Relay for about `relay_linger_seconds`. Beat asks again before that: then the loop of this process goes on."""
    LOOP.run(seconds=conf().relay_linger_seconds)
