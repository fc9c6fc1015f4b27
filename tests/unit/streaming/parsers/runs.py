"""Feed a parser in every way, and compare."""

from functools import partial
from itertools import pairwise

from streaming.parsers import AutoParser, DocumentParser, End, NdjsonParser, Parsed, Result


def parse(text, *, cuts=(), make=NdjsonParser, limits=None, truncated=False) -> tuple[list[Result], End]:
    """Results and end for a text fed in the pieces between `cuts` (indices, in any order)."""
    parser = make(limits=limits)
    edges = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    results = [result for start, stop in pairwise(edges) for result in parser.feed(text[start:stop])]
    last, end = parser.close(truncated=truncated)
    return results + last, end


def values(results: list[Result]) -> list[dict]:
    return [result.value for result in results if isinstance(result, Parsed)]


def reasons(results: list[Result]) -> list[str]:
    return [str(result.reason) for result in results if not isinstance(result, Parsed)]


def parse_everyhow(text, **options) -> tuple[list[Result], End]:
    """Parse as text and as bytes, whole and unit by unit; all must agree."""
    data = text.encode() if isinstance(text, str) else text
    expected = parse(data, **options)
    assert parse(data, cuts=range(len(data)), **options) == expected
    if isinstance(text, str):
        assert parse(text, **options) == expected
        assert parse(text, cuts=range(len(text)), **options) == expected
    return expected


def documents(*paths):
    """What makes a DocumentParser for these paths."""
    return partial(DocumentParser, paths)


def either(*paths):
    return partial(AutoParser, paths)


def found(results: list[Result]) -> list[tuple[str, object]]:
    """The pointer and the value of each item."""
    return [(result.pointer, result.value) for result in results if isinstance(result, Parsed)]
