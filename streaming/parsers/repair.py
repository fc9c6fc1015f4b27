"""Almost JSON, made JSON: a mode that must be asked for, for one piece that was refused.

Mended are spellings, of which each has one meaning: strings in single quotes, names without quotes, commas
before a closing bracket, comments, and Python's `True`, `False`, `None`. What is said is never changed: no
bracket, comma, quotation mark or value is added, so what was cut or left out stays refused. The mended text is
read again by the strict reader, with every limit; whoever validates the values validates these as well.

`json-repair` was considered: it always gives something back, and makes up what is missing.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from streaming.parsers.base import Reason, Refused
from streaming.parsers.values import ValueReader

WORDS = {"True": "true", "False": "false", "None": "null"}
NO_VALUES = ("", "[", "{", ",", ":")
TOKEN = re.compile(
    r"""
    (?P<string> "[^"\\]*+(?:\\.[^"\\]*+)*+" )
  | (?P<single> '[^'\\\n]*+(?:\\.[^'\\\n]*+)*+' )
  | (?P<comment> //[^\n]*+ | \#[^\n]*+ | /\*.*?\*/ )
  | (?P<word> [A-Za-z_$][\w$-]*+ )
  | (?P<comma> , )
  | (?P<rest> [{}\[\]:] | [-+.\w]++ | \s++ )
    """,
    re.DOTALL | re.VERBOSE,
)
IGNORED = r"(?:\s|//[^\n]*+|\#[^\n]*+|/\*.*?\*/)*+"
BEFORE_CLOSING = re.compile(IGNORED + r"[}\]]", re.DOTALL)
BEFORE_COLON = re.compile(IGNORED + ":", re.DOTALL)
ESCAPE = re.compile(r"\\(.)|\"", re.DOTALL)


class Mender:
    def __init__(self, reader: ValueReader) -> None:
        self._reader = reader

    def read(self, text: str) -> Any:
        """The value of one piece that was refused. Raises Refused if spelling is not all that is wrong with it."""
        mended = repair(text)
        value, end = self._reader.read(mended)
        if mended[end:].strip():
            raise Refused(Reason.SYNTAX, "more than one value")
        return value


def repair(text: str) -> str:
    """The text with JSON's spelling. What is JSON already comes back as it is. Raises Refused."""
    return "".join(_mended(text))


def _mended(text: str) -> Iterator[str]:
    position, before = 0, ""
    while position < len(text):
        token = TOKEN.match(text, position)
        if not token:
            raise Refused(Reason.SYNTAX, f"cannot be mended, character {position + 1}")
        position = token.end()
        yield _respelled(token, text, position, before=before)
        if token.lastgroup != "comment":
            before = token[0].strip() or before


def _respelled(token: re.Match[str], text: str, end: int, *, before: str) -> str:
    """before: the last token that says something. A comma after none, as in `[,]`, may stand for a value."""
    written = token[0]
    match token.lastgroup:
        case "single":
            return _with_double_quotes(written[1:-1])
        case "comment":
            return " "
        case "word" if BEFORE_COLON.match(text, end):
            return json.dumps(written)
        case "word":
            return WORDS.get(written, written)
        case "comma" if before not in NO_VALUES and BEFORE_CLOSING.match(text, end):
            return ""
    return written


def _with_double_quotes(inner: str) -> str:
    """A double quotation mark inside is escaped; an escaped single one needs it no more."""
    respelled = ESCAPE.sub(lambda found: {"\\'": "'", '"': '\\"'}.get(found[0], found[0]), inner)
    return f'"{respelled}"'
