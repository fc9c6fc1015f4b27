"""Who may follow what. The gateway asks; whoever knows runs answers, and is handed in from above."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from outbox.models import Audience
from streaming.gateway.reads import read
from streaming.hints import LiveFrame, LogEvent


@dataclass(frozen=True, slots=True)
class Seen:
    """A principal may see a run, and of its events those of `audience` and the wider ones.

    withheld: types of events that are not for this principal all the same. snapshot: the address of the run's
    snapshot, for who must start anew.
    """

    audience: Audience
    withheld: frozenset[str] = frozenset()
    snapshot: str = ""

    @property
    def allowed(self) -> frozenset[str]:
        return Audience.seen_by(self.audience)

    @property
    def is_full(self) -> bool:
        """Whether every event is visible, so that numbers without a jump may be relied on."""
        return len(self.allowed) == len(Audience) and not self.withheld

    def shows(self, event: LogEvent | LiveFrame) -> bool:
        if event.audience not in self.allowed:
            return False
        return not self.withheld or json.loads(event.body)["type"] not in self.withheld


class Access(Protocol):
    """Asked when a run is opened and again at every heartbeat: rights that ended must end the stream.

    principal: whatever the transport was given (sockets make it of their scope); read anew what may have changed.
    """

    async def look(self, principal: Any, run_id: UUID) -> Seen | None:
        """What `principal` may see of the run; None when nothing, or when there is no such run."""


class PooledAccess:
    """An Access made of a plain function that reads the database: it runs on the gateway's own threads."""

    def __init__(self, look: Callable[[Any, UUID], Seen | None]) -> None:
        self._look = look

    async def look(self, principal: Any, run_id: UUID) -> Seen | None:
        return await read(self._look, principal, run_id)
