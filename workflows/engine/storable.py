"""JSON values that every database takes. Pure.

PostgreSQL's jsonb refuses U+0000 and NaN, no UTF-8 encoder takes half a surrogate pair, and integers beyond 64 bits
do not survive every reader. Characters become U+FFFD; a number that cannot be stored is an error.
"""

import math
import re
from typing import Any

UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
REPLACEMENT = "\ufffd"
INT64 = range(-(2**63), 2**63)


class NotStorable(ValueError):
    """A number that no row can hold: NaN, an infinity, or an integer beyond 64 bits."""


def storable(value: Any) -> Any:
    """`value` with U+FFFD for each character that cannot be stored, in keys too. Raises NotStorable."""
    match value:
        case str():
            return UNSTORABLE.sub(REPLACEMENT, value)
        case bool() | None:
            return value
        case int() if value not in INT64:
            raise NotStorable("an integer beyond 64 bits")
        case float() if not math.isfinite(value):
            raise NotStorable(f"the number {value}")
        case dict():
            return {storable(key): storable(item) for key, item in value.items()}
        case list() | tuple():
            return [storable(item) for item in value]
        case _:
            return value
