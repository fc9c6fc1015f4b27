"""One value, or one name, of a document while it comes: what it is for, where it stands, its text so far."""

from enum import Enum
from typing import NamedTuple

from streaming.parsers.base import Position, Reason, Refused
from streaming.parsers.extent import ContainerExtent, Extent
from streaming.parsers.limits import Limits
from streaming.parsers.skipping import Checker


class Role(Enum):
    NAME = "name"  # of a member, on the way to a path
    TAKEN = "taken"  # stands at a path
    SKIPPED = "skipped"


class Place(NamedTuple):
    """What a value is called. The fields are those of `Parsed`."""

    pointer: str = ""
    path: str = ""
    key: str | None = None


class Piece:
    """Holds of its text what may have to be read, or kept when it is refused. size: bytes so far."""

    def __init__(
        self,
        role: Role,
        place: Place,
        position: Position,
        extent: Extent,
        limits: Limits,
        *,
        begins_in: int,
        closer: bytes = b"",
    ) -> None:
        """begins_in: how many bytes of the text come before what the extent is told, its opening mark.
        closer: the only byte that can end a container; until one comes its text need not be looked at."""
        self.role = role
        self.place = place
        self.position = position
        self.size = 0
        self.closer = closer
        self._extent = extent
        self._mark = begins_in
        self._parts: list[bytes] = []
        self._limits = limits
        is_unread = role is Role.SKIPPED and isinstance(extent, ContainerExtent)
        self._checker = Checker() if is_unread else None
        self._room = limits.max_raw_bytes if is_unread else limits.max_line_bytes

    @property
    def is_unread(self) -> bool:
        """Skipped as it came: there is no text of it to read."""
        return self._checker is not None

    @property
    def data(self) -> bytes:
        return self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)

    def advance(self, block: bytes, start: int) -> int | None:
        """Take what of a block belongs to it. Returns where it ends, or None."""
        end = self._advance(block, start + self._mark)
        self._mark = 0
        text = block[start:end]
        if self.size < self._room:
            self._parts.append(text[: self._room - self.size])
        self.size += len(text)
        if self._checker and not self._is_over_limit():
            self._checker.feed(text)
        return end

    def _advance(self, block: bytes, start: int) -> int | None:
        if not self._checker or len(block) - start <= self._limits.max_string_bytes:
            return self._extent.advance(block, start)
        # In steps no longer than a string may be, so that no longer one is within a step and goes unseen.
        for first in range(start, len(block), self._limits.max_string_bytes):
            end = self._extent.advance(block[first : first + self._limits.max_string_bytes], 0)
            if end is not None:
                return first + end
        return None

    def _is_over_limit(self) -> bool:
        extent = self._extent
        return isinstance(extent, ContainerExtent) and (
            extent.is_too_deep or extent.has_long_string or extent.has_long_number
        )

    def check(self) -> None:
        """Raises Refused for what is known without reading its text. Called once, when it has ended."""
        extent = self._extent
        if isinstance(extent, ContainerExtent) and extent.is_too_deep:
            raise Refused(Reason.TOO_DEEP, f"over {self._limits.max_depth} levels")
        if self._checker is None or not isinstance(extent, ContainerExtent):
            if self.size > self._room:
                raise Refused(Reason.TOO_LONG, f"{self.size} bytes")
            return
        if extent.has_long_string:
            raise Refused(
                Reason.STRING_TOO_LONG, f"over {self._limits.max_string_bytes} bytes, in a skipped part"
            )
        if extent.has_long_number:
            raise Refused(
                Reason.NUMBER_TOO_LONG, f"over {self._limits.max_number_chars} digits, in a skipped part"
            )
        self._checker.close()
        if self._checker.is_broken:
            raise Refused(Reason.SYNTAX, "in a skipped part")
