"""How much of a model's text a parser takes. The defaults are the design's; each is a setting."""

from dataclasses import dataclass

from streaming.parsers.base import ParserError

# No row holds more levels (`workflows.engine.storable`), and what walks a value by recursion has an end soon after.
HIGHEST_DEPTH = 200


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Every bound is inclusive: what is exactly as large as its limit is still read. Raises ParserError."""

    max_depth: int = 64  # objects and arrays within each other
    max_string_bytes: int = 262_144  # one string, as written
    max_number_chars: int = 64  # one number, as written
    max_line_bytes: int = (
        1_048_576  # one line, one object that is broken over several, one value of a document
    )
    max_document_bytes: int = 33_554_432  # the whole answer
    max_items: int = 50_000  # objects taken from one answer
    max_raw_bytes: int = 65_536  # of a rejected text, kept for the operator
    max_prose_bytes: int = 8_192  # of what stands around the objects, kept for the operator

    def __post_init__(self) -> None:
        if self.max_depth > HIGHEST_DEPTH:
            raise ParserError(f"max_depth is at most {HIGHEST_DEPTH}, not {self.max_depth}.")
