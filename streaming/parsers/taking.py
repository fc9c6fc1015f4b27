"""From the text of a piece to a result: taken, refused, mended; or, of a name, what it says."""

from typing import Any

from streaming.parsers.base import Position, Reason, Refused
from streaming.parsers.collector import Collector
from streaming.parsers.limits import Limits
from streaming.parsers.pieces import Piece, Place, Role
from streaming.parsers.places import readable
from streaming.parsers.values import UNSURE, ValueReader


class Taker:
    def __init__(self, limits: Limits, reader: ValueReader, out: Collector) -> None:
        self._limits = limits
        self._reader = reader
        self._out = out

    def quick(self, data: bytes) -> Any:
        """The value of a whole text, or UNSURE: then it is to be followed as a piece."""
        return UNSURE if len(data) > self._limits.max_line_bytes else self._reader.quick(data)

    def item(self, value: Any, position: Position, data: bytes, place: Place) -> None:
        self._out.item(value, position, data, *place)

    def take(self, piece: Piece, refusal: Refused | None) -> None:
        """A value that has ended. refusal: why it is refused already."""
        if not refusal:
            try:
                piece.check()
                value = None if piece.is_unread else self._reader.read_all(piece.data)
            except Refused as found:
                refusal = found
        if refusal:
            self._refuse(piece, refusal)
        elif piece.role is Role.TAKEN:
            self.item(value, piece.position, piece.data, piece.place)

    def name(self, piece: Piece) -> str | None:
        """What a member is called, or None if its name is refused."""
        try:
            piece.check()
            name: str = self._reader.read_all(piece.data)
        except Refused as refusal:
            self._refuse(piece, refusal)
            return None
        return name

    def _refuse(self, piece: Piece, refusal: Refused) -> None:
        raw, place = readable(piece.data), piece.place
        if piece.role is Role.TAKEN and refusal.reason is Reason.SYNTAX:
            self._out.refuse(refusal, piece.position, raw, *place)
            return
        reason, detail = refusal.reason, refusal.detail
        pointer, path, _ = place
        self._out.reject(reason, piece.position, raw, pointer, path, size=piece.size, detail=detail)
