"""The half-written item of an attempt, for whoever looks at this moment. Nothing here is ever stored for good."""

import threading
from collections.abc import Sequence
from typing import Any

from django.utils import timezone

from outbox import wire
from outbox.frames import Latest, forget_latest, send_frame
from streaming.parsers import Op
from workflows import events
from workflows.conf import conf
from workflows.engine.lease import Lease


class Partials:
    """Sends what is new of it, and keeps all of it in Redis for those who come in the middle.

    Redis may be slow or away: then this costs one short time-out a second, and the page shows whole items only.
    """

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        # An item is committed by the flush thread while the next one is written.
        self._lock = threading.Lock()
        self._kept: int | None = None  # index of the one that is kept, as far as one can know

    def show(self, index: int, rev: int, ops: Sequence[Op], whole: Any) -> bool:
        """ops: what is new since revision `rev` - 1. Returns whether it was sent; if not, the next must say all."""
        latest = Latest(
            name=self._lease.step_name,
            frame=self._frame(index, rev, [("set", "", whole)]),
            ttl_seconds=conf().partial_ttl_seconds,
        )
        with self._lock:
            self._kept = index  # also if no answer comes: Redis may have done it all the same
            return self._send(self._frame(index, rev, ops), latest)

    def hide(self, index: int, rev: int) -> None:
        """It will not become an item: it was refused, was there already, or the attempt ends before it is whole."""
        with self._lock:
            self._send(self._frame(index, rev, [("set", "", None)]))
            self._forget()

    def committed(self, next_index: int) -> None:
        """Items below `next_index` are there for good: none of them is kept as a half one."""
        with self._lock:
            if self._kept is not None and self._kept < next_index:
                self._forget()

    def _forget(self) -> None:
        """What could not be forgotten is, with a later item; and it goes by itself after a while."""
        if self._kept is not None and forget_latest(self._lease.run_id, self._lease.step_name):
            self._kept = None

    def _send(self, frame: dict[str, Any], latest: Latest | None = None) -> bool:
        return send_frame(
            self._lease.run_id,
            frame,
            audience=events.ItemPartial.AUDIENCE,
            max_entries=conf().frames_max_entries,
            latest=latest,
        )

    def _frame(self, index: int, rev: int, ops: Sequence[Op]) -> dict[str, Any]:
        data = events.ItemPartial(index=index, rev=rev, ops=list(ops))
        headers = {"step": self._lease.step_name, "attempt": self._lease.number}
        return wire.frame(
            self._lease.run_id, data.TYPE, data.model_dump(), headers=headers, now=timezone.now()
        )
