"""One JSON object a line, as models write it: with fences, prose, list brackets, broken lines and a cut end.

A line that begins an object and does not finish it is held and joined with what follows. It is given up when
the object closes and is not JSON, when a line comes that cannot belong to it, or at the limit; then it is
rejected with its raw text and the stream goes on.
"""

import codecs
import re

from streaming.parsers.base import End, Opened, ParserError, Position, Reason, Refused, Result
from streaming.parsers.collector import Collector
from streaming.parsers.held import Held, Piece
from streaming.parsers.limits import Limits
from streaming.parsers.lines import BOM, Encoder, Line, LineSplitter
from streaming.parsers.repair import Mender
from streaming.parsers.structure import Structure
from streaming.parsers.values import UNSURE, ValueReader

# An answer written as one JSON list is read as well: its brackets and commas are what stands between objects.
BETWEEN = re.compile(r"[\s,\[\]]*+")
AROUND = b" \t\r,[]"
# In prose only what looks like a first member begins an object: "use {x} like this" does not.
CANDIDATE = re.compile(r'\{(?=\s*(?:"|$))')


class NdjsonParser:
    """Memory: one line, one held object and the results not yet taken. Cost: linear in the bytes fed."""

    def __init__(self, limits: Limits | None = None, *, repair: bool = False) -> None:
        """repair: mend an object that is almost JSON; see `repair`."""
        self._limits = limits or Limits()
        self._encoder = Encoder()
        self._lines = LineSplitter(self._limits.max_line_bytes)
        self._reader = ValueReader(self._limits)
        self._out = Collector(self._limits, mend=Mender(self._reader).read if repair else None)
        self._held: Held | None = None
        self._room = self._limits.max_document_bytes
        self._is_closed = False

    @property
    def is_stopped(self) -> bool:
        return self._out.is_stopped

    @property
    def opened(self) -> Opened | None:
        """Only what begins its line, blanks, commas and brackets aside: in prose little is sure before its end."""
        if self.is_stopped:
            return None
        if self._held and not self._held.excludes(self._lines.head.decode(errors="ignore")):
            return Opened(self._held.position, is_in_line=True)
        head = self._lines.head
        body = head.removeprefix(BOM).lstrip(AROUND)
        if body[:1] != b"{":
            return None
        return Opened(self._lines.at(len(head) - len(body)), is_in_line=True)

    def feed(self, chunk: bytes | str) -> list[Result]:
        if self._is_closed:
            raise ParserError("This parser is closed. Each answer needs a new one.")
        data = self._encoder.bytes_of(chunk)
        if not self.is_stopped:
            self._read(data)
        return self._out.drain()

    def close(self, *, truncated: bool = False) -> tuple[list[Result], End]:
        if self._is_closed:
            raise ParserError("This parser is closed already.")
        self._is_closed = True
        if not self.is_stopped:
            self._read(self._encoder.close())
        if not self.is_stopped:
            truncated |= self._finish(self._lines.close())
        end = self._out.end(truncated=truncated, replaced=self._encoder.replaced + self._reader.replaced)
        return self._out.drain(), end

    def _read(self, data: bytes) -> None:
        room, self._room = self._room, self._room - len(data)
        for line in self._lines.feed(data if self._room >= 0 else data[:room]):
            if self._held or not self._is_plain(*line):
                self._line(Line(*line))
        if self._room < 0:
            self._refuse_line(Reason.DOCUMENT_TOO_LONG, self._lines.close())

    def _finish(self, last: Line) -> bool:
        """Read what has no line end. Returns whether the text was cut: inside a character or an object."""
        whole = without_cut_character(last)
        self._line(whole)
        if held := self._release():
            self._out.reject(Reason.TRUNCATED, held.position, held.text, size=held.size)
        return held is not None or whole is not last

    def _line(self, line: Line) -> None:
        if line.is_overlong:
            self._refuse_line(Reason.TOO_LONG, line)
            return
        try:
            piece = Piece(line.data.decode() + "\n", line.position)
        except UnicodeDecodeError as error:
            detail = f"{error.reason}, byte {line.offset + error.start}"
            self._refuse_line(Reason.INVALID_UTF8, line, detail=detail)
            return
        if self._held:
            self._go_on(self._held, piece, line)
        else:
            self._objects_in(piece)

    def _is_plain(self, body: bytes, number: int, offset: int, size: int) -> bool:
        """Take a line if it is one object and nothing else that needs a second look."""
        if size > len(body):
            return False
        if body[:1] != b"{" or body[-1:] != b"}":
            without = body.lstrip(AROUND)
            offset += len(body) - len(without)
            body = without.rstrip(AROUND)
            if body[:1] != b"{":
                return False
        value = self._reader.quick(body)
        if value is UNSURE:
            return False
        self._out.item(value, Position(number, offset), body)
        return True

    def _refuse_line(self, reason: Reason, line: Line, *, detail: str = "") -> None:
        """Reject the line unread, together with the object that it may have belonged to."""
        raw = line.data.decode(errors="backslashreplace")
        if held := self._release():
            size = held.size + 1 + line.size
            self._out.reject(reason, held.position, held.text + raw, size=size, detail=detail)
        else:
            self._out.reject(reason, line.position, raw, size=line.size, detail=detail)

    def _release(self) -> Held | None:
        held, self._held = self._held, None
        return held

    def _objects_in(self, piece: Piece, start: int = 0) -> None:
        """Take one object after the other from a line. What is no object is prose."""
        text, is_first = piece.text, True
        while not self.is_stopped:
            start = between(text, start)
            if start == len(text):
                return
            if text[start] != "{":
                found = CANDIDATE.search(text, start)
                begin = found.start() if found else len(text)
                self._out.prose(text[start:begin])
                start = begin
            else:
                start = self._object(piece, start, is_alone=is_first)
                is_first = False

    def _object(self, piece: Piece, start: int, *, is_alone: bool) -> int:
        """Take, reject or hold the object that begins at `start`. Returns where to go on in the line."""
        try:
            value, end = self._reader.read(piece.text, start, is_alone=is_alone)
        except Refused as refusal:
            return self._refuse_object(piece, start, refusal)
        self._out.item(value, piece.at(start), piece.text[start:end])
        return end

    def _refuse_object(self, piece: Piece, start: int, refusal: Refused) -> int:
        text, structure = piece.text, Structure()
        end = structure.advance(text, start)
        if end is None:
            self._held = Held(Piece(text[start:], piece.at(start)), column=start, structure=structure)
            return len(text)
        if refusal.reason is Reason.SYNTAX:
            # Where broken brackets close proves little: the raw text goes up to the next likely object.
            found = CANDIDATE.search(text, end)
            end = found.start() if found else len(text)
        raw = text[start:end].rstrip(" \t\n,")
        self._out.refuse(refusal, piece.at(start), raw)
        return end

    def _go_on(self, held: Held, piece: Piece, line: Line) -> None:
        if held.excludes(piece.text) or (held.is_in_string and self._is_new_object(held, piece)):
            self._abandon(held)
            self._objects_in(piece)
        elif held.size + line.size > self._limits.max_line_bytes:
            self._refuse_line(Reason.TOO_LONG, line)
        else:
            self._join(held, piece, size=line.size)

    def _join(self, held: Held, piece: Piece, *, size: int) -> None:
        end = held.add(piece, size=size)
        if end is not None:
            self._release()
            self._close_object(held, rest=piece.text[end:])
            self._objects_in(piece, end)

    def _close_object(self, held: Held, *, rest: str) -> None:
        text = held.text.removesuffix(rest)
        try:
            value, end = self._reader.read(text)
        except Refused as refusal:
            self._out.refuse(refusal, held.position, text)
        else:
            self._out.item(value, held.position, text[:end])

    def _abandon(self, held: Held) -> None:
        """The held object was broken off; lines of it that are whole objects never were part of it."""
        self._release()
        lost, found = [held.pieces[0].text], []
        for piece in held.pieces[1:]:
            if self._is_new_object(held, piece):
                found.append(piece)
            else:
                lost.append(piece.text)
        self._out.reject(Reason.SYNTAX, held.position, "".join(lost), detail="broken off by what follows")
        for piece in found:
            self._objects_in(piece)

    def _is_new_object(self, held: Held, piece: Piece) -> bool:
        if not held.starts_anew(piece.text):
            return False
        try:
            _, end = self._reader.read(piece.text, between(piece.text, 0))
        except Refused:
            return False
        return between(piece.text, end) == len(piece.text)


def between(text: str, start: int) -> int:
    found = BETWEEN.match(text, start)
    return found.end() if found else start


def without_cut_character(line: Line) -> Line:
    """The line without the first bytes of a character whose others never came."""
    try:
        _, length = codecs.utf_8_decode(line.data, "strict", False)
    except UnicodeDecodeError:
        return line
    missing = len(line.data) - length
    return line._replace(data=line.data[:length], size=line.size - missing) if missing else line
