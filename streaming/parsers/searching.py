"""Where in an answer the document begins: after fences, prose, and brackets that only look like it."""

import re

from streaming.parsers.collector import FENCE

OBJECT = b"{"[0]
BRACKET = re.compile(rb"[{\[]")
# What follows the bracket in JSON, and in what a model takes for JSON: single quotes, bare names, comments.
JSON = {OBJECT: re.compile(rb'["}]'), b"["[0]: re.compile(rb'[\[{"\]0-9-]|true|false|null')}
# A number in brackets within a line is a footnote rather than a list.
IN_PROSE = {OBJECT: JSON[OBJECT], b"["[0]: re.compile(rb'[\[{"]')}
ALMOST = {
    OBJECT: re.compile(rb"'|//|/\*|#|[\w$-]++\s*+:"),
    b"["[0]: re.compile(rb"'|//|/\*|True|False|None"),
}
HALF_A_WORD = re.compile(rb"[\w$-]*+\s*+|/")
LOOK_AHEAD_BYTES = 80
BLANKS = b" \t\r\n"
BOM = b"\xef\xbb\xbf"
MAX_HEAD_BYTES = 100


class Search:
    """text: what was passed over, bounded.

    is_sure: the bracket that was found is the first thing on its line, a fence aside. Such a one begins a
    document even if what follows is only almost JSON; one within a line of prose does not.
    """

    def __init__(self, max_text_bytes: int) -> None:
        self._room = max_text_bytes
        self._head = b""  # of the line at hand
        self.text = bytearray()
        self.is_sure = False

    def find(self, block: bytes, position: int, *, is_last: bool) -> tuple[int, bool]:
        """Where a document begins and True; or up to where there is none, or none as far as one can see."""
        while found := BRACKET.search(block, position):
            start = found.start()
            self.pass_over(block[position:start])
            begins = self._begins(block, start, is_last=is_last)
            if begins or begins is None:
                return start, bool(begins)
            self.pass_over(block[start : start + 1])
            position = start + 1
        self.pass_over(block[position:])
        return len(block), False

    def pass_over(self, text: bytes) -> None:
        self.keep(text)
        _, newline, after = text.rpartition(b"\n")
        self._head = (after if newline else self._head + after)[:MAX_HEAD_BYTES]

    def keep(self, text: bytes) -> None:
        if self._room > 0:
            self.text += text[: self._room]
            self._room -= len(text)

    def _begins(self, block: bytes, start: int, *, is_last: bool) -> bool | None:
        """None: too little of what follows is there to tell."""
        mark = block[start]
        ahead = block[start + 1 : start + 1 + LOOK_AHEAD_BYTES]
        follows = ahead.lstrip(BLANKS)
        self.is_sure = self._is_first_on_line()
        if (JSON if self.is_sure else IN_PROSE)[mark].match(follows):
            return True
        is_undecided = not follows or (self.is_sure and HALF_A_WORD.fullmatch(follows))
        if is_undecided and len(ahead) < LOOK_AHEAD_BYTES and not is_last:
            return None
        return self.is_sure and (not follows or bool(ALMOST[mark].match(follows)))

    def _is_first_on_line(self) -> bool:
        head = self._head.removeprefix(BOM).strip(BLANKS)
        return not head or bool(FENCE.fullmatch(head.decode(errors="replace")))
