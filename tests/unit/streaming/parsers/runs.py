"""Feed a parser in every way, and compare."""

from itertools import pairwise

from streaming.parsers import End, Limits, NdjsonParser, Parsed, Result


def parse(text, *, cuts=(), limits=None, truncated=False) -> tuple[list[Result], End]:
    """Results and end for a text fed in the pieces between `cuts` (indices, in any order)."""
    parser = NdjsonParser(limits)
    edges = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    results = [result for start, stop in pairwise(edges) for result in parser.feed(text[start:stop])]
    last, end = parser.close(truncated=truncated)
    return results + last, end


def values(results: list[Result]) -> list[dict]:
    return [result.value for result in results if isinstance(result, Parsed)]


def reasons(results: list[Result]) -> list[str]:
    return [str(result.reason) for result in results if not isinstance(result, Parsed)]


def parse_everyhow(text, *, limits: Limits | None = None, truncated=False) -> tuple[list[Result], End]:
    """Parse as text and as bytes, whole and unit by unit; all must agree."""
    data = text.encode() if isinstance(text, str) else text
    expected = parse(data, limits=limits, truncated=truncated)
    assert parse(data, cuts=range(len(data)), limits=limits, truncated=truncated) == expected
    if isinstance(text, str):
        assert parse(text, limits=limits, truncated=truncated) == expected
        assert parse(text, cuts=range(len(text)), limits=limits, truncated=truncated) == expected
    return expected
