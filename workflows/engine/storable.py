"""JSON values that every database takes. Pure.

PostgreSQL's jsonb refuses U+0000, and no UTF-8 encoder takes half a surrogate pair; a document or a model may hold
both. Each becomes U+FFFD once, before the value is stored or told, so that no row or event is poison.
"""

import re
from typing import Any

UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
REPLACEMENT = "\ufffd"


def storable(value: Any) -> Any:
    """`value` with U+FFFD for each character that cannot be stored, in keys too."""
    match value:
        case str():
            return UNSTORABLE.sub(REPLACEMENT, value)
        case dict():
            return {storable(key): storable(item) for key, item in value.items()}
        case list() | tuple():
            return [storable(item) for item in value]
        case _:
            return value
