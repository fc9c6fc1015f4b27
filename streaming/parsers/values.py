"""One JSON value, read strictly, with the limits asked first.

The standard library's decoder is the core: it alone hands us each number as written and each object's pairs,
so that no digit is lost and no duplicate key is swallowed (orjson turns long integers into floats and keeps
the last of two equal keys). One leniency: a string may contain line breaks, tabs and other control characters
as they are. Models that quote a document write them, and there is only one way to read them.

Most texts need none of that, and there are two cheap proofs for them. If what orjson makes of a text is written
back by orjson as it stood, blanks aside, then nothing in it was lost or changed: a duplicate key would be
missing, a number that is not exactly itself would be spelled differently. If it is spelled differently (12.50,
1e3, an escaped letter) but has as many members and no number so long that digits could be lost, then each number
is the nearest float, as it is for the careful reader, and no key was there twice.
"""

import json
import math
import re
from typing import Any

import orjson

from streaming.parsers.base import Reason, Refused
from streaming.parsers.limits import Limits
from streaming.parsers.structure import Structure

# PostgreSQL refuses both in text and jsonb; a lone surrogate is not even UTF-8.
UNSTORABLE = re.compile("[\0\ud800-\udfff]")
STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
INT64 = range(-(2**63), 2**63)
BLANKS = b" \t\r\n"
BACKSLASH = b"\\"[0]  # to look for a byte is many times quicker than for bytes
LONGEST_CANONICAL_NUMBER = 25  # -2.2250738585072014e-308 and a little room
DIGITS_AS_ZEROS = bytes.maketrans(b"123456789", b"000000000")
LONG_DIGITS = b"0" * 16  # an integer with fewer is exact, even as a float
LONGEST_OF_SHORT_RUNS = 50  # a sign, 15 digits, a point, 15 digits, an exponent's sign and 15 digits
# NUL, which no database takes; quotation mark, colon and blank, which the counting of members looks at.
ESCAPED_ASCII = re.compile(rb"\\u00[0-7]")
UNSURE = object()


class ValueReader:
    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        is_quick = limits.max_number_chars >= LONGEST_CANONICAL_NUMBER
        self._quick_bytes = limits.max_string_bytes if is_quick else 0
        self._may_count = limits.max_number_chars >= LONGEST_OF_SHORT_RUNS
        self.replaced = 0
        self._decoder = json.JSONDecoder(
            object_pairs_hook=unique,
            parse_constant=self._constant,
            parse_int=self._integer,
            parse_float=self._float,
            strict=False,
        )

    def read_all(self, data: bytes) -> Any:
        """The value that is all of `data`. Raises Refused."""
        value = self.quick(data)
        if value is not UNSURE:
            return value
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            raise Refused(Reason.INVALID_UTF8, f"{error.reason}, byte {error.start}") from None
        value, end = self.read(text)
        if end != len(text):
            raise Refused(Reason.SYNTAX, f"Extra data, character {end + 1}")
        return value

    def quick(self, data: bytes) -> Any:
        """The value that is all of `data` if that is proven to be what `read` would give, else UNSURE."""
        # In a text no longer than a string may be, no string is too long.
        if len(data) > self._quick_bytes:
            return UNSURE
        if BACKSLASH in data and data.find(b"\\u") >= 0 and ESCAPED_ASCII.search(data):
            return UNSURE
        if data.count(b"{") + data.count(b"[") > self._limits.max_depth:
            return UNSURE
        try:
            value = orjson.loads(data)
            written = orjson.dumps(value, option=orjson.OPT_STRICT_INTEGER)
        except (orjson.JSONDecodeError, TypeError):  # not strict JSON; an integer beyond 53 bits
            return UNSURE
        if written == data:
            return value
        text, again = data.translate(None, BLANKS), written.translate(None, BLANKS)
        if text == again:
            return value
        return value if self._may_count and is_only_spelled_differently(text, again) else UNSURE

    def read(self, text: str, start: int = 0, *, is_alone: bool = True) -> tuple[Any, int]:
        """The value that begins at `start`, and where it ends. Raises Refused.

        is_alone: false for the second and later values of a line, which must not each look at all the rest.
        """
        if not is_alone:
            stop = Structure().advance(text, start)
            value, end = self.read(text[start:stop])
            return value, start + end
        self._check(text, start)
        try:
            value, end = self._decoder.raw_decode(text, start)
        except json.JSONDecodeError as error:
            raise Refused(Reason.SYNTAX, f"{error.msg}, character {error.pos - start + 1}") from None
        if "\\u" in text or "\0" in text:
            value = self._mended(value)
        return value, end

    def _check(self, text: str, start: int) -> None:
        # Cheap upper bounds first; the exact walk is for the rare text that reaches them.
        is_deep = text.count("{", start) + text.count("[", start) > self._limits.max_depth
        is_long = (len(text) - start) * 4 > self._limits.max_string_bytes
        if not (is_deep or is_long):
            return
        structure = Structure()
        stop = structure.advance(text, start) or len(text)
        if structure.deepest > self._limits.max_depth:
            raise Refused(Reason.TOO_DEEP, f"over {self._limits.max_depth} levels")
        for string in STRING.finditer(text, start, stop) if is_long else ():
            if len(string[0].encode()) - 1 > self._limits.max_string_bytes:
                raise Refused(Reason.STRING_TOO_LONG, f"over {self._limits.max_string_bytes} bytes")

    def _constant(self, name: str) -> Any:
        raise Refused(Reason.NOT_A_NUMBER, name)

    def _integer(self, digits: str) -> int:
        self._check_number(digits)
        value = int(digits)
        if value not in INT64:
            raise Refused(Reason.NUMBER_OUT_OF_RANGE, "an integer beyond 64 bits")
        return value

    def _float(self, digits: str) -> float:
        self._check_number(digits)
        value = float(digits)
        if math.isinf(value):
            raise Refused(Reason.NUMBER_OUT_OF_RANGE, "a number beyond 1e308")
        return value

    def _check_number(self, digits: str) -> None:
        if len(digits) > self._limits.max_number_chars:
            raise Refused(Reason.NUMBER_TOO_LONG, f"{len(digits)} characters")

    def _mended(self, value: Any) -> Any:
        """The value with U+FFFD for each character that a database refuses, in keys too."""
        match value:
            case str():
                mended, count = UNSTORABLE.subn("\ufffd", value)
                self.replaced += count
                return mended
            case list():
                return [self._mended(member) for member in value]
            case dict():
                return unique([(self._mended(key), self._mended(member)) for key, member in value.items()])
        return value


def is_only_spelled_differently(text: bytes, again: bytes) -> bool:
    """Has a text as many members as when it is written again, and no number that may have lost digits? Both are
    without blanks.

    A quotation mark before a colon ends a name, or begins a string with a colon in it, in both texts alike; one
    within a string is escaped, and then nothing is said.
    """
    if LONG_DIGITS in text.translate(DIGITS_AS_ZEROS) or (BACKSLASH in text and b'\\":' in text):
        return False
    return text.count(b'":') == again.count(b'":')


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Refused(Reason.DUPLICATE_KEY)
    return members
