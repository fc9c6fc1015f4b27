"""Brackets and strings of a text that comes line by line: is the object that began still open?

This is not a grammar. It answers two questions at the cost of one look at each character: where does the
object close, and can this line still belong to it? Whether the whole is JSON is the value reader's business.
"""

import re

STRUCTURAL = re.compile(r'["{}\[\]]')
REST_OF_STRING = re.compile(r'[^"\\]*+(?:\\.[^"\\]*+)*+("?)', re.DOTALL)


class Structure:
    def __init__(self) -> None:
        self._open: list[str] = []
        self.deepest = 0
        self._last = ""  # last significant character
        self.is_in_string = False

    def advance(self, text: str, start: int = 0) -> int | None:
        """Read on from `start`. Returns where the first bracket is closed, or None while it is open."""
        position = start
        while position < len(text):
            if self.is_in_string:
                rest = REST_OF_STRING.match(text, position)
                position = rest.end() if rest else len(text)
                self.is_in_string = not (rest and rest[1])
                continue
            found = STRUCTURAL.search(text, position)
            if not found:
                break
            position = found.end()
            if self._turn(found[0]):
                return position
        self._last = text.rstrip()[-1:] or self._last
        return None

    def may_go_on_with_object(self) -> bool:
        """Could JSON have `{` here: as a member's value or as an element of a list?"""
        return self._last in (":", "[") or (self._last == "," and self._open[-1:] == ["["])

    def _turn(self, mark: str) -> bool:
        if mark == '"':
            self.is_in_string = True
        elif mark in "{[":
            self._open.append(mark)
            self.deepest = max(self.deepest, len(self._open))
        elif self._open:
            # Which bracket closes which is not checked: a mismatch is the reader's to name in the end.
            self._open.pop()
            return not self._open
        return False
