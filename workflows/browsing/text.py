"""Bytes of a file by their place, a window of them in memory."""

from typing import Protocol

WINDOW_BYTES = 262_144


class File(Protocol):
    def seek(self, offset: int, /) -> object: ...

    def read(self, size: int, /) -> bytes: ...


class Text:
    """`size` bytes of JSON as `wire.encode` writes it: one value, valid, without blanks."""

    def __init__(self, file: File, size: int) -> None:
        self.size = size
        self._file = file
        self._start = 0
        self._window = b""

    def read(self, start: int, count: int) -> bytes:
        """`count` bytes from `start` on; fewer at the end."""
        first = start - self._start
        if first < 0 or first + count > len(self._window):
            self._file.seek(start)
            self._window = self._file.read(max(count, WINDOW_BYTES))
            self._start, first = start, 0
        return self._window[first : first + count]

    def byte(self, at: int) -> bytes:
        """The one at `at`; empty beyond the end."""
        return self.read(at, 1)
