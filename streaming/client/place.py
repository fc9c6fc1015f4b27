"""Where a client is in a run's log, and whole lines out of bytes that were cut anywhere. Pure."""

from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Place:
    """A number alone is no place: after a restore of the server's database it may name another event."""

    epoch: int = 1
    seq: int = 0

    @classmethod
    def of(cls, cursor: int | str) -> "Place":
        """`seq` or `epoch.seq`; 0 is the start. Raises ValueError."""
        epoch, _, seq = str(cursor).rpartition(".")
        place = cls(int(epoch or 1), int(seq))
        if place.epoch < 1 or place.seq < 0:
            raise ValueError(f"{cursor!r} is no cursor")
        return place

    @property
    def cursor(self) -> str:
        return str(self.seq) if self.epoch == 1 else f"{self.epoch}.{self.seq}"

    def moves(self, line: dict[str, Any]) -> bool:
        """Take note of one line of the log; False for an event that was seen before."""
        seq = line.get("seq")
        if seq is None:
            # At the start of the log, in whatever epoch it is; anywhere else another epoch is told by a `reset`.
            if not self.seq and line["type"] in {"hello", "hb"}:
                self.epoch = line.get("epoch", self.epoch)
            return True
        if seq <= self.seq:
            return False
        self.seq = seq
        return True

    def restart(self, *, epoch: int) -> None:
        self.epoch, self.seq = epoch, 0


class Lines:
    """A line counts with its newline only: without one it was cut."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [line for line in lines if line.strip()]
