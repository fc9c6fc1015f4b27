"""Parts of a large JSON text, found in its file without reading it into memory."""

from workflows.browsing.parts import MEMBER_BYTES, NoSuchPart, Place, Reader, Shown
from workflows.browsing.pointers import child, index_of, parse
from workflows.browsing.scanning import Broken
from workflows.browsing.text import Text

__all__ = [
    "MEMBER_BYTES",
    "Broken",
    "NoSuchPart",
    "Place",
    "Reader",
    "Shown",
    "Text",
    "child",
    "index_of",
    "parse",
]
