"""Where a value ends, in bytes that come block by block. What it takes to know that, and the limits on the way.

An extent is told where its value goes on and says where it ends, or None while it does not. Each byte is looked
at once or twice, most of them by one regular expression for many. Which bracket closes which, escapes and
numbers are not checked: that is for the reader of the whole value.
"""

import re
from functools import cache
from typing import NamedTuple, Protocol

from streaming.parsers.limits import Limits

REST_OF_STRING = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+("?)', re.DOTALL)
WORD = re.compile(rb"[-+.0-9A-Za-z_]*+")
DIGITS = re.compile(rb"[0-9]*+")
QUOTE = b'"'[0]
OPENING = b"{["


class Extent(Protocol):
    def advance(self, block: bytes, start: int) -> int | None: ...


class StringExtent:
    """From after the opening quotation mark to after the closing one. size: bytes between them."""

    def __init__(self) -> None:
        self.size = 0
        self._is_escaped = False

    def advance(self, block: bytes, start: int) -> int | None:
        first = min(start + self._is_escaped, len(block))
        rest = REST_OF_STRING.match(block, first)
        end, is_closed = (rest.end(), bool(rest[1])) if rest else (first, False)
        self.size += (end if is_closed else len(block)) - start - is_closed
        if is_closed:
            return end
        # A backslash that ends the block escapes the first byte of the next one.
        self._is_escaped = end < len(block) or (self._is_escaped and start == len(block))
        return None


class WordExtent:
    """A number or a literal: up to what can be part of neither."""

    def advance(self, block: bytes, start: int) -> int | None:
        word = WORD.match(block, start)
        end = word.end() if word else start
        return end if end < len(block) else None


class Runs(NamedTuple):
    """What stands between brackets. leaves: with whole containers that hold no other; plain: without.

    whole: a value, if a container then one that holds no deeper ones than such leaves.
    """

    leaves: re.Pattern[bytes]
    plain: re.Pattern[bytes]
    whole: re.Pattern[bytes]


@cache
def runs(max_digits: int) -> Runs:
    text = rb'(?:[^"{}\[\]0-9]++|[0-9]{1,%d}+(?![0-9]))' % max_digits
    string = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
    inner = rb"(?:%s|%s)*+" % (text, string)
    leaf = rb"\{%s\}|\[%s\]" % (inner, inner)
    with_leaves = rb"(?:%s|%s|%s)*+" % (text, string, leaf)
    word = rb"[-+.0-9A-Za-z_]++(?=[],} \t\r\n])"
    whole = rb"\{%s\}|\[%s\]|%s|%s" % (with_leaves, with_leaves, string, word)
    return Runs(*(re.compile(pattern, re.DOTALL) for pattern in (with_leaves, inner, whole)))


class ContainerExtent:
    """From after the opening bracket to after the closing one.

    is_too_deep, has_long_string, has_long_number: a limit was passed, whatever comes. `has_long_string` sees
    only strings that do not begin and end in one block, `has_long_number` only runs of digits.
    """

    def __init__(self, limits: Limits, *, depth: int) -> None:
        """depth: of containers around this one."""
        self._limits = limits
        self._runs = runs(limits.max_number_chars)
        self._floor = depth
        self._depth = depth + 1
        self._string: StringExtent | None = None
        self._digits = 0  # that ended the last block
        self.is_too_deep = self._depth > limits.max_depth
        self.has_long_string = self.has_long_number = False

    def advance(self, block: bytes, start: int) -> int | None:
        position = self._resume(block, start)
        while position < len(block):
            # A leaf is one level deeper than what it stands in.
            run = self._runs.leaves if self._depth < self._limits.max_depth else self._runs.plain
            found = run.match(block, position)
            position = found.end() if found else position
            if position == len(block):
                break
            mark, position = block[position], position + 1
            if mark == QUOTE:
                position = self._in_string(StringExtent(), block, position)
            elif mark in OPENING:
                self._depth += 1
                self.is_too_deep |= self._depth > self._limits.max_depth
            elif mark in b"}]":
                self._depth -= 1
                if self._depth == self._floor:
                    return position
            else:
                self.has_long_number = True
                position = _after_digits(block, position)
        if not self._string:
            self._digits = self._digits_at_end_of(block)
        return None

    def _resume(self, block: bytes, start: int) -> int:
        if self._string:
            return self._in_string(self._string, block, start)
        if self._digits:
            position = _after_digits(block, start)
            self._digits += position - start
            self.has_long_number |= self._digits > self._limits.max_number_chars
            if position < len(block):
                self._digits = 0
            return position
        return start

    def _in_string(self, string: StringExtent, block: bytes, position: int) -> int:
        end = string.advance(block, position)
        self._string = string if end is None else None
        self.has_long_string |= string.size > self._limits.max_string_bytes
        return len(block) if end is None else end

    def _digits_at_end_of(self, block: bytes) -> int:
        if self._digits:  # all of the block
            return self._digits
        tail = block[-self._limits.max_number_chars - 1 :]
        return len(tail) - len(tail.rstrip(b"0123456789"))


def _after_digits(block: bytes, position: int) -> int:
    digits = DIGITS.match(block, position)
    return digits.end() if digits else position
