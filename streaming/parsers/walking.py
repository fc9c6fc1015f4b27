"""One document from its opening bracket to its closing one, along the paths.

Only the containers on the way to a path are walked; their members are taken as they close, or skipped. A value
that is refused costs itself. What is no JSON between the values breaks the document: from there on nobody can
say what belongs to what.
"""

import re
from collections.abc import Callable

from streaming.parsers.base import Opened, Position, Reason, Refused
from streaming.parsers.collector import Collector
from streaming.parsers.extent import ContainerExtent, Extent, StringExtent, WordExtent, runs
from streaming.parsers.limits import Limits
from streaming.parsers.paths import ANY, Node, Nodes, members_of, pointer_to, wanted
from streaming.parsers.pieces import Piece, Place, Role
from streaming.parsers.places import LIST, Frame, Locator
from streaming.parsers.taking import Taker
from streaming.parsers.values import UNSURE, ValueReader

BLANKS = re.compile(rb"[ \t\r\n]*+")
OBJECT, QUOTE, COLON, COMMA = b'{":,'
CLOSERS = {OBJECT: b"}", LIST: b"]"}
MAX_LOOKS = 4  # at a value that has not closed; then it is followed byte by byte, each of them once
# One that has no escape in it, nor what needs a second look.
NAME = re.compile(rb'"([^"\\\0]{0,200}+)"')
SCALAR_STARTS = frozenset(b'"-+._0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ')


class Walker:
    """is_met: something stood where a path leads, if only an empty list.  broken_at: the first byte of no JSON."""

    def __init__(
        self, tree: Node, limits: Limits, reader: ValueReader, out: Collector, locator: Locator
    ) -> None:
        self._limits = limits
        self._taker = Taker(limits, reader, out)
        self._locator = locator
        self._frames: list[Frame] = []
        self._root: Frame | None = None
        self._nodes: Nodes = (tree,)  # of the value that comes next
        self._place = Place(path=tree.path or "")
        self._expected: Callable[[bytes, int], int] = self._value
        self._refusal: Refused | None = None  # of the value that comes next, for its name's sake
        self._whole = runs(limits.max_number_chars).whole
        self._looks = self._hold = 0
        self.waits_for = b""
        self.piece: Piece | None = None
        self.is_met = self.is_closed = False
        self.broken_at: Position | None = None

    @property
    def may_meet(self) -> bool:
        """Is this a kind of document in which a path can be met at all?"""
        return not self._root or self._root.kind == OBJECT or bool(self._root.inner)

    @property
    def is_in_vain(self) -> bool:
        """It is a list, of more than a footnote's number, that no path leads into."""
        return not self.may_meet and self._root is not None and self._root.count > 1

    def walk(self, block: bytes, position: int, *, hold: int = 0) -> int:
        """Go on in a block. Returns up to where.

        That is its end, or where the document closed or broke; or less than `hold` bytes are left, in which
        the value at hand cannot close before `waits_for` comes: one look at all of it is quicker than many at
        its parts.
        """
        self._hold = hold
        self.waits_for = b""
        while position < len(block) and not (self.is_closed or self.broken_at or self.waits_for):
            if self.piece:
                if self.piece.closer and self._is_short_of(self.piece.closer, block, position):
                    return position
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

    def opened(self, position: int) -> Opened | None:
        """The value at a path that is at hand. position: what `walk` returned."""
        if self.piece:
            is_wanted = self.piece.role is Role.TAKEN and self.piece.place.path == wanted(self._nodes)
            at, place = self.piece.position, self.piece.place
        else:
            is_wanted = (
                bool(self.waits_for) and self._expected == self._value and wanted(self._nodes) is not None
            )
            at, place = self._locator.at(position), self._place
        return Opened(at, place.pointer, place.path) if is_wanted and not self._refusal else None

    def _is_short_of(self, closer: bytes, block: bytes, position: int) -> bool:
        if len(block) - position >= self._hold or block.find(closer, position) >= 0:
            return False
        self.waits_for = closer
        return True

    def _break(self, position: int) -> int:
        self.broken_at = self._locator.at(position)
        return position

    def _value(self, block: bytes, position: int) -> int:
        mark = block[position]
        path = wanted(self._nodes)
        closer = CLOSERS.get(mark, b"")
        if closer and self._nodes and path is None:
            return self._enter(mark, position)
        if closer and self._is_short_of(closer, block, position):
            return position
        if not closer and mark not in SCALAR_STARTS:
            return self._break(position)
        self.is_met |= path is not None
        if not self._refusal and (path is not None or not closer):
            if end := self._at_once(block, position, path):
                return end
            if closer and self._looks < MAX_LOOKS and self._is_open(block, position):
                self._looks += 1
                self.waits_for = closer
                return position
        role = Role.SKIPPED if path is None and not self._refusal else Role.TAKEN
        self._begin(role, self._place, position, mark)
        return position

    def _is_open(self, block: bytes, position: int) -> bool:
        """Is more of this container to come, and soon? To count the brackets of the block would not do: what has
        begun after a value that closed would hold it back.
        """
        if len(block) - position >= self._hold:
            return False
        extent = ContainerExtent(self._limits, depth=len(self._frames))
        return extent.advance(block, position + 1) is None

    def _at_once(self, block: bytes, position: int, path: str | None) -> int:
        """Take, or skip, a value that is all there, and plain. Returns where it ends, or 0."""
        whole = self._whole.match(block, position)
        if not whole or len(self._frames) + 2 > self._limits.max_depth:
            return 0
        data = whole[0]
        value = self._taker.quick(data)
        if value is UNSURE:
            self._looks = MAX_LOOKS
            return 0
        if path is not None:
            self._taker.item(value, self._locator.at(position), data, self._place)
        self._value_ended()
        return whole.end()

    def _value_ended(self) -> None:
        self._looks = 0
        self._expected = self._next
        self.is_closed = not self._frames

    def _enter(self, kind: int, position: int) -> int:
        frame = Frame(kind, self._nodes, self._place.pointer)
        self.is_met |= bool(frame.inner) if kind == LIST else any(ANY in node.members for node in frame.nodes)
        self._root = self._root or frame
        self._frames.append(frame)
        self._expected = self._first_name if kind == OBJECT else self._first_element
        return position + 1

    def _begin(self, role: Role, place: Place, position: int, mark: int) -> None:
        extent: Extent = WordExtent()
        if mark == QUOTE:
            extent = StringExtent()
        elif mark in CLOSERS:
            extent = ContainerExtent(self._limits, depth=len(self._frames))
        self.piece = Piece(
            role,
            place,
            self._locator.at(position),
            extent,
            self._limits,
            begins_in=int(mark == QUOTE or mark in CLOSERS),
            closer=CLOSERS.get(mark, b""),
        )

    def _first_name(self, block: bytes, position: int) -> int:
        return self._leave(position) if block[position] == b"}"[0] else self._name(block, position)

    def _name(self, block: bytes, position: int) -> int:
        if block[position] != QUOTE:
            return self._break(position)
        name = NAME.match(block, position)
        if name and name[1].isascii() and len(name[1]) <= self._limits.max_string_bytes:
            self._named(name[1].decode())
            return name.end()
        self._begin(Role.NAME, Place(self._frames[-1].pointer), position, QUOTE)
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
        self._expected = self._value
        return self._value(block, position)

    def _next(self, block: bytes, position: int) -> int:
        kind = self._frames[-1].kind
        if block[position] == COMMA:
            self._expected = self._name if kind == OBJECT else self._element
            return position + 1
        return self._leave(position) if block[position] == CLOSERS[kind][0] else self._break(position)

    def _leave(self, position: int) -> int:
        self._frames.pop()
        self.is_closed = not self._frames
        self._expected = self._next
        return position + 1

    def _finish(self, piece: Piece) -> None:
        self.piece = None
        if piece.role is Role.NAME:
            self._named(self._taker.name(piece))
            return
        refusal, self._refusal = self._refusal, None
        self._value_ended()
        self._taker.take(piece, refusal)

    def _named(self, name: str | None) -> None:
        """What the member is called, and where the paths go on in it: nowhere, if its name was refused."""
        frame = self._frames[-1]
        self._expected = self._colon
        self._nodes = () if name is None else members_of(frame.nodes, name)
        if name is None:
            self._place = Place(frame.pointer)
            return
        self._place = Place(pointer_to(frame.pointer, name), wanted(self._nodes) or "", name)
        if name in frame.names:
            self._refusal = Refused(Reason.DUPLICATE_KEY)
            self._nodes = ()
        elif self._nodes:  # what is skipped may be there twice, for nobody remembers it
            frame.names.add(name)
