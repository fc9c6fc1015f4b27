"""An object that is broken over several lines, waiting for the rest of itself."""

from streaming.parsers.base import Position
from streaming.parsers.structure import Structure

FENCES = ("```", "~~~")


class Piece:
    """A line with its newline, or the part of it from where an object begins. position: of its first byte."""

    __slots__ = ("_chars", "_offset", "position", "text")

    def __init__(self, text: str, position: Position) -> None:
        self.text = text
        self.position = position
        self._chars, self._offset = 0, position.offset

    def at(self, start: int) -> Position:
        """The position of a character. Asked in rising order, so that a long line is measured once."""
        if start != self._chars:
            between = self.text[self._chars : start]
            self._offset += len(between) if between.isascii() else len(between.encode())
            self._chars = start
        return Position(self.position.line, self._offset)


class Held:
    """The lines so far. Joined and parsed once, when the object closes: at each line it were quadratic."""

    def __init__(self, first: Piece, *, column: int, structure: Structure) -> None:
        """first: from the opening brace on.  column: of that brace.  structure: has read `first`."""
        self.pieces = [first]
        self.size = len(first.text.encode()) - 1  # bytes, without the last newline
        self._column = column
        self._structure = structure

    @property
    def position(self) -> Position:
        return self.pieces[0].position

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self.pieces)

    @property
    def is_in_string(self) -> bool:
        return self._structure.is_in_string

    def starts_anew(self, line: str) -> bool:
        """Does this line begin where a new object would: not deeper indented than the one that is held?"""
        body = line.lstrip()
        return body.startswith("{") and len(line) - len(body) <= self._column

    def excludes(self, line: str) -> bool:
        """No JSON goes on like this: the held object was broken off, and something new begins."""
        if self.is_in_string:
            return False
        if line.lstrip().startswith(FENCES):
            return True
        return self.starts_anew(line) and not self._structure.may_go_on_with_object()

    def add(self, piece: Piece, *, size: int) -> int | None:
        """Take a line. Returns where in it the object closes, or None while it is open."""
        self.pieces.append(piece)
        self.size += size + 1
        return self._structure.advance(piece.text)
