"""JSON values that every database takes. Pure.

PostgreSQL's jsonb refuses U+0000 and NaN, no UTF-8 encoder takes half a surrogate pair, and integers beyond 64 bits
do not survive every reader; and each reader has an end to how deeply it reads. Characters become U+FFFD; a number that
cannot be stored, or too deep a nesting, is an error.
"""

import math
import re
from typing import Any, Final

from pydantic import BaseModel

from outbox import wire

UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
REPLACEMENT = "\ufffd"
INT64 = range(-(2**63), 2**63)
WRITTEN_OUT = 1e16  # from here on JSON has floats with an exponent
MAX_LEVELS = 200  # orjson writes 254, and an event wraps what it carries


UNREADABLE: Final = {
    "unreadable": "What is stored here is beyond what can be read; it was not written by the engine."
}


class ItemDecoder(wire.Decoder):
    """One row that nobody can read, written by other hands than the engine's, must not take its page down with it."""

    def decode(self, s: str, *rest: Any) -> Any:
        try:
            return super().decode(s, *rest)
        except ValueError:
            if s[:1] + s[-1:] == "{}":
                return dict(UNREADABLE)
            raise  # a text out of an object, which SQLite gives as it is: JSONField expects the error


class NotStorable(ValueError):
    """What no row can hold: NaN, an infinity, an integer beyond 64 bits, too many levels, or what is no JSON at all."""


def storable_model(value: BaseModel) -> Any:
    """Under the names that its schema gives the fields. Raises NotStorable."""
    try:
        return storable(value.model_dump(mode="json", by_alias=True))
    except NotStorable:
        raise
    except ValueError:  # of a serializer, whose words may quote the value
        raise NotStorable("what is no JSON") from None


def storable(value: Any, *, levels: int = MAX_LEVELS) -> Any:
    """`value` with U+FFFD for each character that cannot be stored, in keys too. Raises NotStorable.

    levels: how deeply lists and objects may be nested.
    """
    match value:
        case str():
            return UNSTORABLE.sub(REPLACEMENT, value)
        case bool() | None:
            return value
        case int() if value not in INT64:
            raise NotStorable("an integer beyond 64 bits")
        case float() if not math.isfinite(value):
            raise NotStorable(f"the number {value}")
        # PostgreSQL writes these out, so that they come back as integers: the same number for every database.
        case float() if abs(value) >= WRITTEN_OUT and int(value) in INT64:
            return int(value)
        case dict() | list() | tuple() if not levels:
            raise NotStorable(f"more than {MAX_LEVELS} levels of nesting")
        case dict():
            return {storable(key): storable(item, levels=levels - 1) for key, item in value.items()}
        case list() | tuple():
            return [storable(item, levels=levels - 1) for item in value]
        case _:
            return value
