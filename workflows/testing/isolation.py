"""What a test must not touch, kept out of its reach: broker, Redis and the real time."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from outbox.clock import CLOCK, Clock
from outbox.nudge import breaker
from workflows.dispatch import silence


@contextmanager
def isolated(clock: Clock) -> Iterator[None]:
    """Until the block ends, nothing is sent anywhere, and the engine's clock is `clock`, in views and commands too.

    For tests without pytest, around the use of a Harness; the fixture does it by itself.
    """
    with silence(), breaker.held_open(), mock.patch.object(CLOCK, "now", clock.now):
        yield
