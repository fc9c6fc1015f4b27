"""One document from its opening bracket to its closing one, along the paths.

Only the containers on the way to a path are walked; their members are taken as they close, or skipped. A value
that is refused costs itself. What is no JSON between the values breaks the document: from there on nobody can
say what belongs to what.
"""

import codecs
import re
from collections.abc import Callable

from streaming.parsers.base import Position, Reason, Refused
from streaming.parsers.collector import Collector
from streaming.parsers.extent import ContainerExtent, Extent, StringExtent, WordExtent
from streaming.parsers.limits import Limits
from streaming.parsers.paths import ANY, Node, Nodes, elements_of, members_of, pointer_to, wanted
from streaming.parsers.pieces import Piece, Place, Role
from streaming.parsers.values import ValueReader

BLANKS = re.compile(rb"[ \t\r\n]*+")
OBJECT, LIST, QUOTE, COLON, COMMA = b'{[":,'
CLOSING = {OBJECT: b"}"[0], LIST: b"]"[0]}
WORD_STARTS = frozenset(b"-+._0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


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


class Walker:
    """is_met: something stood where a path leads, if only an empty list.  broken_at: the first byte of no JSON."""

    def __init__(
        self, tree: Node, limits: Limits, reader: ValueReader, out: Collector, locator: Locator
    ) -> None:
        self._limits = limits
        self._reader = reader
        self._out = out
        self._locator = locator
        self._frames: list[Frame] = []
        self._root: Frame | None = None
        self._nodes: Nodes = (tree,)  # of the value that comes next
        self._place = Place(path=tree.path or "")
        self._expected: Callable[[bytes, int], int] = self._value
        self._refusal: Refused | None = None  # of the value that comes next, for its name's sake
        self.piece: Piece | None = None
        self.is_met = self.is_closed = False
        self.broken_at: Position | None = None

    @property
    def may_meet(self) -> bool:
        """Is this a kind of document in which a path can be met at all?"""
        return not self._root or self._root.kind == OBJECT or bool(self._root.inner)

    def walk(self, block: bytes, position: int) -> int:
        """Go on in a block. Returns where: its end, or where the document closed or broke."""
        while position < len(block) and not (self.is_closed or self.broken_at):
            if self.piece:
                end = self.piece.advance(block, position)
                if end is None:
                    return len(block)
                self._finish(self.piece)
                position = end
                continue
            blanks = BLANKS.match(block, position)
            position = blanks.end() if blanks else position
            if position < len(block):
                position = self._expected(block, position)
        return position

    def _break(self, position: int) -> int:
        self.broken_at = self._locator.at(position)
        return position

    def _value(self, block: bytes, position: int) -> int:
        mark = block[position]
        path = wanted(self._nodes)
        if mark in CLOSING and self._nodes and path is None:
            return self._enter(mark, position)
        if mark in CLOSING:
            extent: Extent = ContainerExtent(self._limits, depth=len(self._frames))
        elif mark == QUOTE:
            extent = StringExtent()
        elif mark in WORD_STARTS:
            extent = WordExtent()
        else:
            return self._break(position)
        self.is_met |= path is not None
        role = Role.SKIPPED if path is None and not self._refusal else Role.TAKEN
        self._begin(role, self._place, position, extent)
        return position

    def _enter(self, kind: int, position: int) -> int:
        frame = Frame(kind, self._nodes, self._place.pointer)
        self.is_met |= bool(frame.inner) if kind == LIST else any(ANY in node.members for node in frame.nodes)
        self._root = self._root or frame
        self._frames.append(frame)
        self._expected = self._first_name if kind == OBJECT else self._first_element
        return position + 1

    def _begin(self, role: Role, place: Place, position: int, extent: Extent) -> None:
        mark = 0 if isinstance(extent, WordExtent) else 1
        at = self._locator.at(position)
        self.piece = Piece(role, place, at, extent, self._limits, begins_in=mark)

    def _first_name(self, block: bytes, position: int) -> int:
        return self._leave(position) if block[position] == b"}"[0] else self._name(block, position)

    def _name(self, block: bytes, position: int) -> int:
        if block[position] != QUOTE:
            return self._break(position)
        self._begin(Role.NAME, Place(self._frames[-1].pointer), position, StringExtent())
        return position

    def _colon(self, block: bytes, position: int) -> int:
        if block[position] != COLON:
            return self._break(position)
        self._expected = self._value
        return position + 1

    def _first_element(self, block: bytes, position: int) -> int:
        return self._leave(position) if block[position] == b"]"[0] else self._element(block, position)

    def _element(self, block: bytes, position: int) -> int:
        frame = self._frames[-1]
        self._nodes = frame.inner
        self._place = Place(f"{frame.pointer}/{frame.count}", wanted(frame.inner) or "")
        frame.count += 1
        return self._value(block, position)

    def _next(self, block: bytes, position: int) -> int:
        kind = self._frames[-1].kind
        if block[position] == COMMA:
            self._expected = self._name if kind == OBJECT else self._element
            return position + 1
        return self._leave(position) if block[position] == CLOSING[kind] else self._break(position)

    def _leave(self, position: int) -> int:
        self._frames.pop()
        self.is_closed = not self._frames
        self._expected = self._next
        return position + 1

    def _finish(self, piece: Piece) -> None:
        self.piece = None
        if piece.role is Role.NAME:
            self._expected = self._colon
            self._place, self._nodes = self._member(piece)
            return
        self._expected = self._next
        self.is_closed = not self._frames
        refusal, self._refusal = self._refusal, None
        try:
            if refusal:
                raise refusal
            piece.check()
            if piece.is_unread:
                return
            value = self._reader.read_all(piece.data)
        except Refused as refusal:
            self._refuse(piece, refusal)
            return
        if piece.role is Role.TAKEN:
            pointer, path, key = piece.place
            self._out.item(value, piece.position, piece.data, pointer=pointer, path=path, key=key)

    def _member(self, piece: Piece) -> tuple[Place, Nodes]:
        """What the member is called and where the paths go on in it: nowhere, if its name is refused."""
        frame = self._frames[-1]
        try:
            piece.check()
            name = self._reader.read_all(piece.data)
        except Refused as refusal:
            self._refuse(piece, refusal)
            return Place(frame.pointer), ()
        nodes = members_of(frame.nodes, name)
        place = Place(pointer_to(frame.pointer, name), wanted(nodes) or "", name)
        if name in frame.names:
            self._refusal = Refused(Reason.DUPLICATE_KEY)
            return place, ()
        if nodes:  # what is skipped may be there twice, for nobody remembers it
            frame.names.add(name)
        return place, nodes

    def _refuse(self, piece: Piece, refusal: Refused) -> None:
        pointer, path, key = piece.place
        is_whole = piece.size == len(piece.data)
        raw = readable(piece.data)
        if is_whole and piece.role is Role.TAKEN and refusal.reason is Reason.SYNTAX:
            self._out.refuse(refusal, piece.position, raw, pointer=pointer, path=path, key=key)
            return
        reason, detail = refusal.reason, refusal.detail
        self._out.reject(
            reason, piece.position, raw, size=piece.size, detail=detail, pointer=pointer, path=path
        )


def readable(data: bytes) -> str:
    """The text as it may be shown; without the first bytes of a character whose others are not there."""
    try:
        return codecs.utf_8_decode(data, "strict", False)[0]
    except UnicodeDecodeError:
        return data.decode(errors="backslashreplace")
