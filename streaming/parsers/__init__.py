"""Model text in, validated pieces of JSON out. Pure: usable without Django."""

from streaming.parsers.auto import AutoParser
from streaming.parsers.base import End, Parsed, Parser, ParserError, Position, Reason, Rejected, Result
from streaming.parsers.document import DocumentParser
from streaming.parsers.limits import Limits
from streaming.parsers.ndjson import NdjsonParser

__all__ = [
    "AutoParser",
    "DocumentParser",
    "End",
    "Limits",
    "NdjsonParser",
    "Parsed",
    "Parser",
    "ParserError",
    "Position",
    "Reason",
    "Rejected",
    "Result",
]
