"""Work in turns that leaves the others their share: a pause between two turns, and an end in time."""

import time
from collections.abc import Iterator

from outbox.conf import conf


def turns() -> Iterator[None]:
    """At least one turn, then one after each pause, until `retention_pass_seconds` are over."""
    limits = conf()
    end = time.monotonic() + limits.retention_pass_seconds
    while True:
        yield
        if time.monotonic() >= end:
            return
        time.sleep(limits.retention_pause_seconds)
