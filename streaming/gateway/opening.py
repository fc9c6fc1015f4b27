"""Who may follow a run, and from where: decided once, before a transport begins to answer."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from outbox import wire
from streaming.gateway.access import Access, Seen
from streaming.gateway.errors import misfit, not_found
from streaming.gateway.followed import Opened, Reset
from streaming.gateway.log import Tip, read_last_visible, read_tip
from streaming.gateway.naming import report_ahead
from streaming.gateway.reads import read


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A run that somebody may follow, and from where. It holds nothing open.

    tip: read at `read_at` (loop time) or later. head: where this reader will be caught up.
    """

    run: UUID
    principal: Any
    access: Access
    seen: Seen
    tip: Tip
    read_at: float
    cursor: wire.Cursor
    head: int

    @property
    def after(self) -> int:
        return self.cursor.seq

    @property
    def goes_on(self) -> bool:
        """Whether the log goes on from the cursor; else its reader must start anew."""
        return self.tip.goes_on_from(self.cursor)

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to be told: the round has ended at the cursor."""
        return self.tip.state is not None and self.cursor == self.tip.cursor

    def opened(self) -> Opened:
        return Opened(self.run, self.after, self.head, self.tip.epoch, self.seen.is_full)

    def reset(self, tip: Tip) -> Reset:
        """What this reader is told once `tip` is seen not to go on from where it is."""
        return Reset(tip.seq, tip.epoch, self.seen.snapshot)


async def open_run(run: UUID, *, principal: Any, access: Access, cursors: Sequence[str] = ()) -> Opening:
    """Look whether `principal` may follow `run`, and from where: after the one of `cursors` that is furthest ahead,
    else from the start. A cursor that the log does not go on from opens too: the opening says so.

    Raises Refused when a cursor is none, and when the run is absent or not theirs.
    """
    seen = await access.look(principal, run)
    read_at = asyncio.get_running_loop().time()
    tip = await read(read_tip, run) if seen is not None else None
    if seen is None or tip is None:
        raise not_found()
    cursor = _furthest(cursors, tip)
    if cursor > tip.cursor:
        # Their word alone moves nothing, or any stranger could make everybody reload.
        await report_ahead(run)
    # Hidden events are nothing that this reader could be missing.
    head = (
        tip.seq
        if seen.is_full
        else max(cursor.seq, await read(read_last_visible, run, seen.allowed, seen.withheld))
    )
    return Opening(
        run=run,
        principal=principal,
        access=access,
        seen=seen,
        tip=tip,
        read_at=read_at,
        cursor=cursor,
        head=head,
    )


def _furthest(cursors: Sequence[str], tip: Tip) -> wire.Cursor:
    """Who has seen nothing has seen nothing wrong: 0 is the start of the log in whatever epoch it is."""
    start = wire.Cursor(epoch=tip.epoch, seq=0)
    try:
        furthest = max((wire.parse_cursor(text) for text in cursors), default=start)
    except ValueError as error:
        raise misfit(str(error)) from error
    return furthest if furthest.seq else start
