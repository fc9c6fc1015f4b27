"""Parts of a large JSON text, found in its file without reading it into memory."""

from workflows.browsing.parts import NoSuchPart, Place, Reader, Shown
from workflows.browsing.pointers import child, parse
from workflows.browsing.scanning import Broken
from workflows.browsing.text import Text

__all__ = ["Broken", "NoSuchPart", "Place", "Reader", "Shown", "Text", "child", "parse"]
