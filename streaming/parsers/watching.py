"""The value that a model is in the middle of: found by its parser, read as it grows.

The parser says where the open value begins; the bytes are those that it was fed. Nothing else is asked of it, so
that what is shown of a half value can neither slow nor change what is taken of the whole one.
"""

from streaming.parsers.base import Opened, Parser
from streaming.parsers.lines import Encoder
from streaming.parsers.partial import PartialReader

# A value may be found open a little after it began: a parser looks this far ahead, or holds the half of a character.
RECENT_BYTES = 256


class Watch:
    """Told of each chunk after its parser. `reader`: of the value that is open now; None when there is none.

    max_bytes: a value is followed up to this length. What cannot be followed for another reason, such as a value
    that was found open too late, has a reader too: one that gives nothing.
    """

    def __init__(self, parser: Parser, *, max_bytes: int, max_depth: int) -> None:
        self._parser = parser
        self._max_bytes, self._max_depth = max_bytes, max_depth
        self._encoder = Encoder()
        self._fed = 0
        self._recent = b""
        self._opened: Opened | None = None
        self.reader: PartialReader | None = None

    def feed(self, chunk: bytes | str) -> bool:
        """What the parser was fed last. Returns whether the open value is another one than before."""
        data = self._encoder.bytes_of(chunk)
        before, self._opened = self._opened, self._parser.opened
        is_other = before != self._opened
        if self._opened is None:
            self.reader = None
        elif is_other or self.reader is None:
            self._begin(self._opened, data)
        else:
            self.reader.feed(data)
        self._fed += len(data)
        self._recent = (
            (self._recent + data)[-RECENT_BYTES:] if len(data) < RECENT_BYTES else data[-RECENT_BYTES:]
        )
        return is_other

    def _begin(self, opened: Opened, data: bytes) -> None:
        self.reader = PartialReader(
            max_bytes=self._max_bytes, max_depth=self._max_depth, in_line=opened.is_in_line
        )
        text = self._recent + data
        start = opened.position.offset - (self._fed - len(self._recent))
        if start < 0:
            self.reader.is_lost = True
        else:
            self.reader.feed(text[start:])
