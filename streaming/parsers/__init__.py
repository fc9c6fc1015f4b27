"""Model text in, validated pieces of JSON out. Pure: usable without Django."""

from streaming.parsers.auto import AutoParser
from streaming.parsers.base import (
    End,
    Opened,
    Parsed,
    Parser,
    ParserError,
    Position,
    Reason,
    Rejected,
    Result,
)
from streaming.parsers.document import DocumentParser
from streaming.parsers.limits import Limits
from streaming.parsers.ndjson import NdjsonParser
from streaming.parsers.ops import Op, apply_ops
from streaming.parsers.partial import PartialReader
from streaming.parsers.watching import Watch

__all__ = [
    "AutoParser",
    "DocumentParser",
    "End",
    "Limits",
    "NdjsonParser",
    "Op",
    "Opened",
    "Parsed",
    "Parser",
    "ParserError",
    "PartialReader",
    "Position",
    "Reason",
    "Rejected",
    "Result",
    "Watch",
    "apply_ops",
]
