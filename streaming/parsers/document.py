"""One big document, given out path by path as it is written: each value when it closes, not when all do.

    walk      along the paths; what is off them is skipped (`walking`)
    search    before it: fences, prose, a byte order mark (`searching`)
    rest      after it: prose, or a second document, which is rejected as `trailing`
    lost      after what is no JSON between two values: what closed before is kept, the rest is rejected

A bracket in prose may look like the document. Until something is met where a path leads, what closes or breaks
may therefore have been prose, and the search goes on; the document is the first one in which a path is met.
"""

import re
from collections.abc import Callable, Iterable, Sequence

from streaming.parsers.base import End, Opened, ParserError, Position, Reason, Result
from streaming.parsers.collector import Collector
from streaming.parsers.limits import Limits
from streaming.parsers.lines import Encoder
from streaming.parsers.paths import tree_of
from streaming.parsers.places import Locator, readable
from streaming.parsers.repair import Mender
from streaming.parsers.searching import Search
from streaming.parsers.values import ValueReader
from streaming.parsers.walking import Walker

SECOND = re.compile(rb'\{\s*+"|\[\s*+[\[{"]')


class DocumentParser:
    """Memory: one value, at most `max_line_bytes` of it, and the names of keyed objects. Cost: linear."""

    # Held until it can end a value. It saves looking at a value in as many pieces as the model says it in.
    held_bytes = 8_192

    def __init__(
        self, paths: Iterable[str | Sequence[str]], limits: Limits | None = None, *, repair: bool = False
    ) -> None:
        """paths: see `paths`. Raises ParserError if they overlap.  repair: mend values that are almost JSON."""
        self._limits = limits or Limits()
        self._tree = tree_of(paths)
        self._encoder = Encoder()
        self._reader = ValueReader(self._limits)
        self._out = Collector(self._limits, mend=Mender(self._reader).read if repair else None)
        self._locator = Locator()
        self._search = Search(self._limits.max_prose_bytes)
        self._walker: Walker | None = None
        self._seen = bytearray()  # of a document in which nothing is met, bounded
        self._rest, self._rest_size = bytearray(), 0
        self._rest_at = Position(1, 0)
        self._stage: Callable[[bytes, int], int] = self._searching
        self._held: list[bytes] = []
        self._hold = self.held_bytes
        self._fed = self._look_at = 0  # bytes so far; and when to look at what is held, whatever comes
        self._closer = b""  # what is held matters only when this comes; empty: always
        self._block, self._done = b"", 0
        self._is_last = self._is_closed = self._is_read = False
        self.is_met: bool | None = None  # was a path met in the first document? None: not known yet

    @property
    def is_open(self) -> bool:
        """Inside a document, as far as was looked."""
        return self._walker is not None

    @property
    def is_stopped(self) -> bool:
        is_lost = self._stage == self._losing and len(self._rest) >= self._limits.max_raw_bytes
        return self._out.is_stopped or is_lost

    @property
    def opened(self) -> Opened | None:
        return self._walker.opened(self._done) if self._walker and not self._out.is_stopped else None

    def feed(self, chunk: bytes | str) -> list[Result]:
        if self._is_closed:
            raise ParserError("This parser is closed. Each answer needs a new one.")
        data = chunk if isinstance(chunk, bytes) and not self._encoder.half else self._encoder.bytes_of(chunk)
        self._held.append(data)
        self._fed += len(data)
        if data.find(self._closer) >= 0 or self._fed > self._look_at:  # `in` takes twice as long
            self._read()
            return self._out.drain()
        return []

    def close(self, *, truncated: bool = False) -> tuple[list[Result], End]:
        if self._is_closed:
            raise ParserError("This parser is closed already.")
        self._is_closed = True
        last = self._encoder.close()
        self._held.append(last)
        self._fed += len(last)
        self._read(is_last=True)
        if not self._out.is_stopped:
            truncated |= self._finish()
        for line in readable(bytes(self._search.text)).removeprefix("\ufeff").split("\n"):
            self._out.prose(line)
        replaced = self._encoder.replaced + self._reader.replaced
        end = self._out.end(truncated=truncated, replaced=replaced, is_empty=self._is_empty())
        return self._out.drain(), end

    def _is_empty(self) -> bool:
        return not self._is_read and bool(self._search.text.strip())

    def look(self, *, is_last: bool = False) -> None:
        """Look at all that has come, also where nothing can have closed, so that `is_met` is up to date."""
        self._read(is_last=is_last, may_wait=False)

    def _read(self, *, is_last: bool = False, may_wait: bool = True) -> None:
        data = b"".join(self._held)
        self._held.clear()
        if self._out.is_stopped:
            return
        over = self._fed - self._limits.max_document_bytes
        if over > 0:
            data = data[:-over]
        block = self._block[self._done :] + data
        self._locator.turn_to(block, after=self._done)
        self._block, self._done = block, 0
        self._is_last = is_last or over > 0
        self._hold = self.held_bytes if may_wait and not self._is_last else 0
        self._advance(block)
        self._look_at = min(self._fed + self.held_bytes, self._limits.max_document_bytes)
        self._closer = self._walker.waits_for if self._walker else b""
        if over > 0:
            self._refuse_open(Reason.DOCUMENT_TOO_LONG)

    def _advance(self, block: bytes) -> None:
        while self._done < len(block) and not self._out.is_stopped:
            before, stage = self._done, self._stage
            self._done = stage(block, before)
            is_waiting = self._walker is not None and self._walker.waits_for
            if is_waiting or (self._done == before and self._stage == stage):
                return  # for a bracket that closes, or for what follows one that opens

    def _searching(self, block: bytes, position: int) -> int:
        start, is_found = self._search.find(block, position, is_last=self._is_last)
        if is_found:
            self._walker = Walker(self._tree, self._limits, self._reader, self._out, self._locator)
            self._stage = self._walking
        return start

    def _walking(self, block: bytes, position: int) -> int:
        walker = self._walker
        if not walker:
            return position
        end = walker.walk(block, position, hold=self._hold)
        if not walker.is_met:
            self._seen += block[position:end][: self._limits.max_prose_bytes - len(self._seen)]
        elif not self._is_read:
            self._is_read = True
            self.is_met = self.is_met is None
        is_sure = self._search.is_sure and walker.may_meet
        if self._search.is_sure and walker.is_in_vain and self.is_met is None:
            self.is_met = False
        if walker.is_closed:
            self._is_read |= is_sure
            self._leave(self._resting if walker.is_met else self._searching, end)
        elif walker.broken_at:
            self._out.is_broken = walker.is_met or is_sure
            self._leave(self._losing if self._out.is_broken else self._searching, end)
        return end

    def _leave(self, stage: Callable[[bytes, int], int], position: int) -> None:
        if stage == self._searching:
            self._search.pass_over(bytes(self._seen))
            if self._search.is_sure and self.is_met is None and self._walker and self._walker.may_meet:
                self.is_met = False
        self._seen.clear()
        self._walker = None
        self._stage = stage
        self._rest_at = self._locator.at(position)

    def _resting(self, block: bytes, position: int) -> int:
        return self._keep_rest(block, position, max(self._limits.max_raw_bytes, self._limits.max_prose_bytes))

    def _losing(self, block: bytes, position: int) -> int:
        return self._keep_rest(block, position, self._limits.max_raw_bytes)

    def _keep_rest(self, block: bytes, position: int, limit: int) -> int:
        self._rest += block[position:][: limit - len(self._rest)]
        self._rest_size += len(block) - position
        return len(block)

    def _finish(self) -> bool:
        """Account for what is open or left. Returns whether the text was cut inside the document."""
        if self._stage == self._walking:
            self._refuse_open(Reason.TRUNCATED)
            return True
        if self._stage == self._losing:
            raw = readable(bytes(self._rest))
            self._out.reject(
                Reason.SYNTAX, self._rest_at, raw, size=self._rest_size, detail="between two values"
            )
        elif self._stage == self._resting:
            self._refuse_second()
        return False

    def _refuse_second(self) -> None:
        found = SECOND.search(self._rest)
        start = found.start() if found else len(self._rest)
        self._search.keep(b"\n" + self._rest[:start])
        if found:
            line = self._rest_at.line + self._rest.count(b"\n", 0, start)
            position = Position(line, self._rest_at.offset + start)
            raw = readable(bytes(self._rest[start:]))
            self._out.reject(Reason.TRAILING, position, raw, size=self._rest_size - start)

    def _refuse_open(self, reason: Reason) -> None:
        """What is open is rejected; between two values only the limit of the answer is."""
        if piece := self._walker.piece if self._walker else None:
            raw, (pointer, path, _) = readable(piece.data), piece.place
            self._out.reject(reason, piece.position, raw, pointer, path, size=piece.size)
        elif reason is not Reason.TRUNCATED:
            self._out.reject(reason, self._locator.at(self._done), "")
