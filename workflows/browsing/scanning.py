"""Where values of a JSON text begin and end, without building any of them. Pure.

The text is canonical (`text.Text`), so brackets, commas and quotes are all there is to look at. A block is first passed
as a whole: strings are cut out of it, of the rest only brackets and commas are kept, and pairs that close within the
block are dropped, all by functions written in C. Only a block in which something is to be found is walked sign by sign.
That is ten times as fast as an event for each value, and the memory is a few blocks.
"""

import re
from dataclasses import dataclass

import orjson

from workflows.browsing.text import Text

FIRST_BLOCK_BYTES = 1_024  # most values are small
BLOCK_BYTES = 65_536
GROWTH = 4
PRIMITIVE_BYTES = 64  # the longest number that is written has 25
COLLAPSES = 6  # rounds of dropping pairs; what is left is counted run by run
WORTHWHILE = 0.9  # a round that leaves more than this part of a block was the last

_SIGNS = re.compile(rb'["\[\]{},]')
_PAIR = re.compile(rb"\[,*+\]")
_RUNS = re.compile(rb",+|\[+|\]+")
_PRIMITIVE = re.compile(rb"[^,\]}]+")
_ONE_KIND = bytes.maketrans(b"{}", b"[]")
_NO_SHAPE = bytes(code for code in range(256) if code not in b"[]{},")
_QUOTE, _COMMA, _OPEN, _CLOSE = b'",[]'


class Broken(ValueError):
    """The text is not what was written: it ends too early, or is no JSON."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Where a walk ended. at: behind the comma or bracket, or where the key begins. commas: of the container, passed.

    is_closed: the container ended.
    """

    at: int
    commas: int
    is_closed: bool = False


@dataclass(slots=True)
class _Walk:
    """commas: after how many to stop; None: never. needle: before which key to stop, with its colon; empty: none."""

    commas: int | None
    needle: bytes
    depth: int = 1
    seen: int = 0
    in_string: bool = False


def walk(text: Text, start: int, *, commas: int | None = None, needle: bytes = b"") -> Stop:
    """From `start`, where a member of a container begins, to the container's end or to what is looked for.

    Raises Broken.
    """
    state = _Walk(commas, needle)
    at, size = start, FIRST_BLOCK_BYTES
    while True:
        block = _whole_escapes(text.read(at, size))
        plain = without_escapes(block)
        ahead = text.read(at, len(block) + len(needle) - 1) if needle else b""
        if (stop := _pass(state, plain, ahead, at)) is not None:
            return stop
        at += len(block)
        size = min(size * GROWTH, BLOCK_BYTES)


def _pass(state: _Walk, plain: bytes, ahead: bytes, at: int) -> Stop | None:
    """Pass a block as a whole, unless something is in it. ahead: the block and what a key may stand out of it."""
    strings = plain.split(b'"')
    outside = b"".join(strings[1 if state.in_string else 0 :: 2])
    shape = outside.translate(_ONE_KIND, _NO_SHAPE)
    for _ in range(COLLAPSES):
        length = len(shape)
        shape = _PAIR.sub(b"", shape)
        if len(shape) > WORTHWHILE * length:
            break
    depth, lowest, commas = _measure(shape, state.depth)
    is_key_here = lowest <= 1 and bool(state.needle) and state.needle in ahead
    is_comma_here = state.commas is not None and state.seen + commas >= state.commas
    if lowest < 1 or is_comma_here or is_key_here:
        stop = _find(state, plain, ahead, at)
        if stop is not None:
            return stop
    state.depth = depth
    state.seen += commas
    state.in_string ^= len(strings) % 2 == 0
    return None


def _measure(shape: bytes, depth: int) -> tuple[int, int, int]:
    """The depth after `shape`, the lowest within, and how many commas are at depth 1."""
    lowest, commas = depth, 0
    for run in _RUNS.findall(shape):
        if run[0] == _OPEN:
            depth += len(run)
        elif run[0] == _CLOSE:
            depth -= len(run)
            lowest = min(lowest, depth)
        elif depth == 1:
            commas += len(run)
    return depth, lowest, commas


def _find(state: _Walk, plain: bytes, ahead: bytes, at: int) -> Stop | None:
    """Sign by sign through a block; the state stays as it is. None: what was looked for is not there after all."""
    depth, seen, in_string = state.depth, state.seen, state.in_string
    for found in _SIGNS.finditer(plain):
        place = found.start()
        sign = plain[place]
        if sign == _QUOTE:
            if depth == 1 and not in_string and state.needle and ahead.startswith(state.needle, place):
                return Stop(at + place, seen)
            in_string = not in_string
        elif in_string:
            continue
        elif sign == _COMMA:
            seen += depth == 1
            if depth == 1 and seen == state.commas:
                return Stop(at + place + 1, seen)
        elif sign in b"[{":
            depth += 1
        else:
            depth -= 1
            if not depth:
                return Stop(at + place + 1, seen, is_closed=True)
    return None


def string_end(text: Text, start: int) -> int:
    """Behind the closing quote of the string whose opening quote is at `start`. Raises Broken."""
    at, size = start + 1, FIRST_BLOCK_BYTES
    while True:
        block = _whole_escapes(text.read(at, size))
        place = without_escapes(block).find(b'"')
        if place >= 0:
            return at + place + 1
        at += len(block)
        size = min(size * GROWTH, BLOCK_BYTES)


def primitive_end(text: Text, start: int) -> int:
    """Behind the number or name that begins at `start`. Raises Broken."""
    found = _PRIMITIVE.match(text.read(start, PRIMITIVE_BYTES))
    if found is None:
        raise Broken(f"no value at {start}")
    return start + found.end()


def key_at(text: Text, start: int) -> tuple[str, int]:
    """The key of the member that begins at `start`, and where its value does. Raises Broken."""
    if text.byte(start) != b'"':
        raise Broken(f"no key at {start}")
    end = string_end(text, start)
    return str(loaded(text.read(start, end - start))), end + 1


def needle_of(key: str) -> bytes:
    """A key as it stands in the text, with its colon."""
    return orjson.dumps(key) + b":"


def loaded(data: bytes) -> object:
    """Raises Broken."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise Broken(str(error)) from None


def without_escapes(block: bytes) -> bytes:
    """As long as before, but each quote in it begins or ends a string."""
    if b"\\" not in block:
        return block
    return block.replace(b"\\\\", b"__").replace(b'\\"', b"__")


def _whole_escapes(block: bytes) -> bytes:
    """Without a backslash at the end that belongs to what follows. Raises Broken at the end of the text."""
    backslashes = len(block) - len(block.rstrip(b"\\"))
    block = block[: len(block) - backslashes % 2]
    if not block:
        raise Broken("the text ends within a value")
    return block
