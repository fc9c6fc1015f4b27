"""What stands in JSON without quotation marks: numbers and literals."""

import math
import re

from streaming.parsers.values import INT64

NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*+)(\.[0-9]++)?([eE][-+]?[0-9]++)?")
LITERALS = {"true": True, "false": False, "null": None}


def scalar(word: str) -> int | float | bool | None:
    """The value of a whole word. Raises ValueError for what is no JSON, and for a number that would be refused."""
    if word in LITERALS:
        return LITERALS[word]
    found = NUMBER.fullmatch(word)
    if not found:
        raise ValueError("not a number")
    if found[1] or found[2]:
        value = float(word)
        if math.isinf(value):
            raise ValueError("beyond 1e308")
        return value
    whole = int(word)
    if whole not in INT64:
        raise ValueError("beyond 64 bits")
    return whole
