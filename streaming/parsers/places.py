"""Where one is in a document: in its bytes, and in the containers that lead to a path."""

import codecs

from streaming.parsers.base import Position
from streaming.parsers.paths import Nodes, elements_of

LIST = b"["[0]


class Locator:
    """Positions in the block at hand. They are asked in rising order, so that each byte is counted once."""

    def __init__(self) -> None:
        self._block = b""
        self._base, self._line, self._counted = 0, 1, 0

    def turn_to(self, block: bytes, *, after: int) -> None:
        """after: bytes of the last block that are done with; `block` begins with the others."""
        self.at(after)
        self._base += after
        self._block, self._counted = block, 0

    def at(self, index: int) -> Position:
        self._line += self._block.count(b"\n", self._counted, index)
        self._counted = index
        return Position(self._line, self._base + index)


class Frame:
    """A container on the way. nodes: of the tree of paths, for itself; inner: for each element of a list."""

    __slots__ = ("count", "inner", "kind", "names", "nodes", "pointer")

    def __init__(self, kind: int, nodes: Nodes, pointer: str) -> None:
        self.kind = kind
        self.nodes = nodes
        self.pointer = pointer
        self.inner = elements_of(nodes) if kind == LIST else ()
        self.count = 0
        self.names: set[str] = set()


def readable(data: bytes) -> str:
    """The text as it may be shown; without the first bytes of a character whose others are not there."""
    try:
        return codecs.utf_8_decode(data, "strict", False)[0]
    except UnicodeDecodeError:
        return data.decode(errors="backslashreplace")
