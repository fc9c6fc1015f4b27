"""One object a line, or one big document? Told from the first thing in the answer that is JSON.

- An object in which one of the paths is met is the document.
- An object that closes, or breaks, without that is a line, and so are the others.
- A list is a document if a path begins with `item`, otherwise lines in brackets.

Only what begins a line counts, after blanks or a fence: braces in prose decide nothing. What comes before the
decision is held, at most `max_line_bytes` of it: no line is longer, so an object that is still open then is a
document. An answer without any decision is read as lines.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from streaming.parsers.base import End, Opened, Parser, ParserError, Result
from streaming.parsers.document import DocumentParser
from streaming.parsers.limits import Limits
from streaming.parsers.lines import Encoder
from streaming.parsers.ndjson import NdjsonParser


class AutoParser:
    def __init__(
        self, paths: Iterable[str | Sequence[str]], limits: Limits | None = None, *, repair: bool = False
    ) -> None:
        """The arguments are those of DocumentParser."""
        self._limits = limits or Limits()
        self._repair = repair
        self._encoder = Encoder()
        self._document = DocumentParser(paths, self._limits, repair=repair)
        self._early: list[Result] = []  # of the document, which may turn out to be none
        self._held = bytearray()
        self._chosen: Parser | None = None
        self._is_closed = False

    @property
    def is_document(self) -> bool | None:
        """None: it cannot be told yet."""
        return None if self._chosen is None else self._chosen is self._document

    @property
    def is_stopped(self) -> bool:
        return self._chosen is not None and self._chosen.is_stopped

    @property
    def opened(self) -> Opened | None:
        """None as well while it cannot be told what the answer is."""
        return self._chosen.opened if self._chosen else None

    def feed(self, chunk: bytes | str) -> list[Result]:
        if self._is_closed:
            raise ParserError("This parser is closed. Each answer needs a new one.")
        return self._take(self._encoder.bytes_of(chunk))

    def close(self, *, truncated: bool = False) -> tuple[list[Result], End]:
        if self._is_closed:
            raise ParserError("This parser is closed already.")
        self._is_closed = True
        results = self._take(self._encoder.close())
        if not self._chosen:
            self._document.look(is_last=True)
            results += self._choose(is_document=bool(self._document.is_met))
        parser: Parser = self._chosen or self._document
        last, end = parser.close(truncated=truncated)
        return results + last, replace(end, replaced=end.replaced + self._encoder.replaced)

    def _take(self, data: bytes) -> list[Result]:
        if self._chosen:
            return self._chosen.feed(data)
        # Not a byte more than the limit, so that the choice is the same however the answer is cut.
        room = self._limits.max_line_bytes + 1 - len(self._held)
        first, rest = data[:room], data[room:]
        self._held += first
        self._early += self._document.feed(first)
        is_full = len(self._held) > self._limits.max_line_bytes
        if is_full:
            self._document.look()
        if self._document.is_met is None and not is_full:
            return []
        is_open = self._document.is_met is None and self._document.is_open
        results = self._choose(is_document=self._document.is_met or is_open)
        return results + self._take(rest) if rest else results

    def _choose(self, *, is_document: bool) -> list[Result]:
        held, self._held = bytes(self._held), bytearray()
        early, self._early = self._early, []
        if is_document:
            self._chosen = self._document
            return early + self._document.feed(b"")
        self._chosen = NdjsonParser(self._limits, repair=self._repair)
        return self._chosen.feed(held)
