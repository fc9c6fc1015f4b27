"""Chunks to lines, by bytes: a newline byte is never part of another character, so nothing is decoded cut."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from streaming.parsers.base import Position

BOM = b"\xef\xbb\xbf"
HEAD_BYTES = 128
SURROGATE = re.compile("[\ud800-\udfff]")
NEWLINE = b"\n"[0]  # to look for a byte is many times quicker than for bytes


class Line(NamedTuple):
    """data: without line end, at most the limit.  number: from 1.  offset, size: bytes, of the whole line."""

    data: bytes
    number: int
    offset: int
    size: int

    @property
    def position(self) -> Position:
        return Position(self.number, self.offset)

    @property
    def is_overlong(self) -> bool:
        return self.size > len(self.data)


# The fields of a Line: of most lines nothing else is asked, and there are many.
RawLine = tuple[bytes, int, int, int]
NO_LINES: tuple[RawLine, ...] = ()


class LineSplitter:
    """Holds one unfinished line, never more of it than the limit. Each byte is looked at once."""

    def __init__(self, max_line_bytes: int) -> None:
        self._limit = max_line_bytes
        self._buffer = bytearray()
        self._size = 0  # of the unfinished line, with what was dropped
        self._number = 1
        self._offset = 0

    def feed(self, chunk: bytes) -> Sequence[RawLine]:
        if NEWLINE not in chunk:
            self._keep(chunk)
            return NO_LINES
        first, *others = chunk.split(b"\n")
        rest = others.pop()
        self._keep(first)
        lines: list[RawLine] = [self._finish()]
        if others:
            self._add_whole(others, lines)
        self._keep(rest)
        return lines

    @property
    def head(self) -> bytes:
        """How the unfinished line begins."""
        return bytes(self._buffer[:HEAD_BYTES])

    def at(self, start: int) -> Position:
        """Of a byte of the unfinished line."""
        return Position(self._number, self._offset + start)

    def close(self) -> Line:
        """What is left: a line without an end, often empty."""
        return self._finish()

    def _keep(self, data: bytes) -> None:
        self._size += len(data)
        # One byte more than the limit, so that a carriage return at the limit does not count.
        if self._size <= self._limit + 1:
            self._buffer += data
        else:
            self._buffer += data[: self._limit + 1 - len(self._buffer)]

    def _add_whole(self, found: list[bytes], lines: list[RawLine]) -> None:
        """Lines that came in one chunk, none of them the first of the answer."""
        limit, number, offset = self._limit, self._number, self._offset
        for data in found:
            size = full = len(data)
            if data[-1:] == b"\r" and size <= limit + 1:
                data, size = data[:-1], size - 1
            lines.append((data if size <= limit else data[:limit], number, offset, size))
            number += 1
            offset += full + 1
        self._number, self._offset = number, offset

    def _finish(self) -> Line:
        data = bytes(self._buffer)
        size = self._size
        if size == len(data) and data.endswith(b"\r"):
            data = data[:-1]
            size -= 1
        offset = self._offset
        if offset == 0 and data.startswith(BOM):
            data, offset, size = data[len(BOM) :], len(BOM), size - len(BOM)
        line = Line(data[: self._limit], self._number, offset, size)
        self._number += 1
        self._offset += self._size + 1
        self._buffer.clear()
        self._size = 0
        return line


class Encoder:
    """Text chunks to UTF-8. The halves of a surrogate pair may come in two chunks; a lone half is U+FFFD."""

    def __init__(self) -> None:
        self.half = ""
        self.replaced = 0

    def bytes_of(self, chunk: bytes | str) -> bytes:
        if isinstance(chunk, str):
            return self.encode(chunk)
        return self.close() + chunk if self.half else chunk

    def encode(self, text: str) -> bytes:
        text, self.half = self.half + text, ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self.half = text[:-1], text[-1]
        try:
            return text.encode()
        except UnicodeEncodeError:
            return self._mend(text)

    def close(self) -> bytes:
        rest, self.half = self.half, ""
        return self._mend(rest) if rest else b""

    def _mend(self, text: str) -> bytes:
        paired = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
        mended, count = SURROGATE.subn("\ufffd", paired)
        self.replaced += count
        return mended.encode()
