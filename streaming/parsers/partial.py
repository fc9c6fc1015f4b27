"""One JSON value while it is being written: what is known of it so far, and what is new since somebody last asked.

The reader is a state machine over the bytes that are new; nothing is read twice, and what it says never changes:

- a text is given as it grows, its escapes whole: never half a character, nor one half of a surrogate pair;
- a number or a literal is given once what follows shows that it has ended: `12` may become `123`;
- a member is given once its name is whole; a second one of the same name ends the reading.

What is no JSON, or beyond a limit, ends the reading without a word (`is_lost`): what was given before stays. It is
the parser's business to take the value or to refuse it.
"""

import codecs
import re
from collections.abc import Callable
from typing import Any

from streaming.parsers.ops import Op, Pending
from streaming.parsers.scalars import scalar
from streaming.parsers.values import UNSTORABLE

BLANKS = re.compile(r"[ \t\r\n]*+")
WORD = re.compile(r"[-+.0-9A-Za-z]*+")
PLAIN = re.compile(r'[^"\\\r\n\0]*+')
ESCAPE = re.compile(r'\\(?:u([0-9a-fA-F]{4})|(["\\/bfnrt]))')
CUT_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?")
SIMPLE = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
MAX_WORD_CHARS = 64  # a longer number is not followed

State = Callable[[str, int], int]


class PartialReader:
    """Holds the value so far. Cost: linear in the bytes fed, and in what `take` gives out.

    in_line: the value is one of many lines. Then a line break within a text is more likely the end of a line that
    was broken off, and nothing is given from there on.
    """

    def __init__(self, *, max_bytes: int, max_depth: int = 64, in_line: bool = False) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("strict")
        self._pending = Pending()
        self._room, self._max_depth, self._in_line = max_bytes, max_depth, in_line
        self._state: State = self._value
        self._cut = ""  # the beginning of an escape, or of a word, whose rest has not come
        self._name: list[str] = []  # of the member whose name is being read
        self.is_lost = self.is_closed = False

    @property
    def is_reading(self) -> bool:
        return not (self.is_lost or self.is_closed)

    @property
    def value(self) -> Any:
        """All that is known, or None before anything is. It goes on growing: take a copy to keep it."""
        return self._pending.value

    @property
    def has_news(self) -> bool:
        return self._pending.has_news

    def feed(self, data: bytes) -> None:
        """Go on with the bytes that follow. What comes after the value is passed over."""
        if not self.is_reading:
            return
        self._room -= len(data)
        if self._room < 0:
            self.is_lost = True
            return
        try:
            text = self._cut + self._decoder.decode(data)
        except UnicodeDecodeError:
            self.is_lost = True
            return
        self._cut = ""
        position = 0
        while position < len(text) and self.is_reading:
            position = self._state(text, position)

    def take(self) -> list[Op]:
        """What to do to what was taken before to come to what is known now; see `ops`."""
        return self._pending.take()

    # Each state reads from a position and returns where the next one goes on.

    def _lose(self, text: str) -> int:
        self.is_lost = True
        return len(text)

    def _value(self, text: str, position: int) -> int:
        position = _after_blanks(text, position)
        mark = text[position : position + 1]
        if not mark:
            return position
        if mark == '"':
            self._pending.begin_text()
            self._state = self._text
            return position + 1
        if mark not in "{[":
            self._state = self._word
            return position
        if self._pending.depth >= self._max_depth:
            return self._lose(text)
        self._pending.enter({} if mark == "{" else [])
        self._state = self._first
        return position + 1

    def _first(self, text: str, position: int) -> int:
        """After an opening bracket: what is in it, or nothing."""
        position = _after_blanks(text, position)
        mark = text[position : position + 1]
        if not mark:
            return position
        is_object = self._pending.is_in_object
        if mark == ("}" if is_object else "]"):
            self._leave()
            return position + 1
        self._state = self._before_name if is_object else self._value
        return position

    def _before_name(self, text: str, position: int) -> int:
        position = _after_blanks(text, position)
        mark = text[position : position + 1]
        if mark != '"':
            return self._lose(text) if mark else position
        self._name.clear()
        self._state = self._in_name
        return position + 1

    def _in_name(self, text: str, position: int) -> int:
        position, is_over = self._run(text, position, self._name.append)
        if is_over:
            if not self._pending.name("".join(self._name)):
                return self._lose(text)
            self._state = self._colon
        return position

    def _colon(self, text: str, position: int) -> int:
        position = _after_blanks(text, position)
        mark = text[position : position + 1]
        if mark != ":":
            return self._lose(text) if mark else position
        self._state = self._value
        return position + 1

    def _text(self, text: str, position: int) -> int:
        position, is_over = self._run(text, position, self._pending.grow_text)
        if is_over:
            self._pending.end_text()
            self._ended()
        return position

    def _run(self, text: str, position: int, give: Callable[[str], None]) -> tuple[int, bool]:
        """Read on within quotation marks. Returns up to where, and whether the closing one was met."""
        while position < len(text) and not self.is_lost:
            plain = PLAIN.match(text, position)
            if plain and plain.end() > position:
                give(plain[0])
                position = plain.end()
                continue
            mark = text[position]
            if mark == '"':
                return position + 1, True
            if mark == "\\":
                position = self._escape(text, position, give)
                continue
            if self._in_line and mark != "\0":
                self.is_lost = True
                break
            give("\ufffd" if mark == "\0" else mark)
            position += 1
        return (len(text) if self.is_lost else position), False

    def _escape(self, text: str, position: int, give: Callable[[str], None]) -> int:
        found = ESCAPE.match(text, position)
        if not found:
            return self._hold_or_lose(text, position, position)
        if found[2]:
            give(SIMPLE.get(found[2], found[2]))
            return found.end()
        code = int(found[1], 16)
        if not 0xD800 <= code <= 0xDBFF:
            give(UNSTORABLE.sub("\ufffd", chr(code)))
            return found.end()
        second = ESCAPE.match(text, found.end())
        if second and second[1] and 0xDC00 <= int(second[1], 16) <= 0xDFFF:
            give(chr(0x10000 + ((code & 0x3FF) << 10) + (int(second[1], 16) & 0x3FF)))
            return second.end()
        if not second and (found.end() == len(text) or CUT_ESCAPE.fullmatch(text, found.end())):
            return self._hold_or_lose(text, position, found.end())
        give("\ufffd")
        return found.end()

    def _hold_or_lose(self, text: str, start: int, cut_at: int) -> int:
        """Keep from `start` until more comes, if what is from `cut_at` on is the beginning of an escape."""
        if cut_at < len(text) and not CUT_ESCAPE.fullmatch(text, cut_at):
            self.is_lost = True
        self._cut = text[start:]
        return len(text)

    def _word(self, text: str, position: int) -> int:
        found = WORD.match(text, position)
        end = found.end() if found else position
        if end == position or end - position > MAX_WORD_CHARS:
            return self._lose(text)
        if end == len(text):
            self._cut = text[position:]
            return end
        try:
            self._pending.put(scalar(text[position:end]))
        except ValueError:
            return self._lose(text)
        self._ended()
        return end

    def _next(self, text: str, position: int) -> int:
        position = _after_blanks(text, position)
        mark = text[position : position + 1]
        if not mark:
            return position
        is_object = self._pending.is_in_object
        if mark == ",":
            self._state = self._before_name if is_object else self._value
        elif mark == ("}" if is_object else "]"):
            self._leave()
        else:
            return self._lose(text)
        return position + 1

    def _leave(self) -> None:
        self._pending.leave()
        self._ended()

    def _ended(self) -> None:
        self._state = self._next
        self.is_closed = self._pending.depth == 0


def _after_blanks(text: str, position: int) -> int:
    found = BLANKS.match(text, position)
    return found.end() if found else position
