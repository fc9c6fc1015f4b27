"""What every parser of model output gives back: values, rejections and one of three ends.

A parser is fed chunks and asked to close. It never touches a socket, gives the same results for every way of
cutting the text, and never calls a cut answer complete.

    ParserError                 the caller's mistake: paths that make no sense, a parser used after `close()`
    Refused                     inside a parser: this text is not taken, and why; outside it is a `Rejected`
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, NamedTuple, Protocol


class ParserError(Exception):
    """A parser was used in a way that it cannot serve. What a model writes never raises it."""


class Reason(StrEnum):
    """Why a piece of model output was not taken."""

    SYNTAX = "syntax"  # not JSON
    TRUNCATED = "truncated"  # the answer ended inside it
    DUPLICATE_KEY = "duplicate_key"
    NOT_A_NUMBER = "not_a_number"  # NaN, Infinity
    NUMBER_TOO_LONG = "number_too_long"
    NUMBER_OUT_OF_RANGE = "number_out_of_range"  # an integer beyond 64 bits, a float beyond 1e308
    STRING_TOO_LONG = "string_too_long"
    TOO_DEEP = "too_deep"
    TOO_LONG = "too_long"  # the line, the object broken over several, or one value of a document
    INVALID_UTF8 = "invalid_utf8"
    TRAILING = "trailing"  # another document after the one that was read
    TOO_MANY_ITEMS = "too_many_items"  # ends the parsing
    DOCUMENT_TOO_LONG = "document_too_long"  # ends the parsing


class Refused(Exception):
    """Raised where a text is refused, caught where its position is known. `detail` never quotes the text."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Position(NamedTuple):
    """Where a piece begins. line: from 1.  offset: bytes of UTF-8 before it, from 0."""

    line: int
    offset: int


class Opened(NamedTuple):
    """A value that has begun and has not closed, as far as the parser has looked. position: of its first byte.

    is_in_line: it is one of many lines, where a line break may be the end of one that was broken off.
    """

    position: Position
    pointer: str = ""
    path: str = ""
    is_in_line: bool = False


class Parsed(NamedTuple):
    """One complete value. It is final: nothing that follows in the text changes it.

    value: an object, if it was a line; any JSON, if it stood at a path of a document.  pointer: where in the
    document (RFC 6901), empty for a line.  path: which of the configured paths it stood at.  key: its name in
    the object that holds it.  repaired: it was no JSON as written (see `repair`).  raw: then, the text as written.
    """

    value: Any
    position: Position
    pointer: str = ""
    path: str = ""
    key: str | None = None
    repaired: bool = False
    raw: str = ""


class Rejected(NamedTuple):
    """A piece that was not taken; the rest of the answer is.

    raw: the text as written, at most `max_raw_bytes` of it; NUL as U+FFFD and invalid bytes as `\\xff`, so
    that any database stores it.  size: bytes of the whole piece.  detail: what the reader said of it.
    pointer, path: as in `Parsed`; path is empty for what stood at none.
    """

    reason: Reason
    position: Position
    raw: str
    size: int
    detail: str = ""
    pointer: str = ""
    path: str = ""


Result = Parsed | Rejected


@dataclass(frozen=True, kw_only=True)
class End:
    """How an answer ended.

    kind: `complete` when the model came to its end; `truncated` when the text was cut, whether the caller
    says so or something was still open; `invalid` when a limit stopped the parser, when the document was broken
    between its values, or when there was text and nothing in it that could be read.  replaced: characters that
    no database takes and that became U+FFFD.  prose: what stood around the objects.  repaired: how many of the
    items were no JSON as written.
    """

    kind: Literal["complete", "truncated", "invalid"]
    items: int
    rejected: int
    replaced: int
    prose: str
    repaired: int = 0


class Parser(Protocol):
    @property
    def is_stopped(self) -> bool:
        """A limit of the whole answer was passed: nothing more will be taken, so the model may be closed."""

    @property
    def opened(self) -> Opened | None:
        """The value that is being written. The same one until it is taken, refused, or seen to be none."""

    def feed(self, chunk: bytes | str) -> list[Result]:
        """What became certain through this chunk, in order. Raises ParserError after `close()`."""

    def close(self, *, truncated: bool = False) -> tuple[list[Result], End]:
        """The last results and the end. truncated: the caller knows that the model did not finish."""
