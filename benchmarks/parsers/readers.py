"""Ours, and what others would read the same chunks with. Each is given an answer's chunks and counts the values."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import ijson
import jiter
import pydantic_core

from benchmarks.parsers.texts import PATH, Chunks
from streaming.parsers import AutoParser, DocumentParser, Limits, NdjsonParser, Parsed, Parser
from streaming.parsers.skipping import FAST

# The limits that look at each value are the defaults; those of the answer as a whole make room for the long ones.
ROOM = Limits(max_document_bytes=10**12, max_items=10**9)

Reader = Callable[[Chunks], int]


def read_lines(chunks: Chunks | Sequence[str]) -> int:
    return _read(NdjsonParser(ROOM), chunks)


def read_document(chunks: Chunks | Sequence[str]) -> int:
    return _read(DocumentParser([PATH], ROOM), chunks)


def read_either(chunks: Chunks) -> int:
    """Lines or a document, told from the beginning."""
    return _read(AutoParser([PATH], ROOM), chunks)


def skip_document(chunks: Chunks) -> int:
    """No path leads to anything, so all of it is skipped. Returns 0."""
    return _read(DocumentParser(["nothing"], ROOM), chunks)


def _read(parser: Parser, chunks: Chunks | Sequence[str]) -> int:
    count = 0
    for chunk in chunks:
        count += len(parser.feed(chunk))
    results, end = parser.close()
    if end.kind != "complete" or end.rejected or not all(isinstance(result, Parsed) for result in results):
        raise AssertionError(f"{type(parser).__name__} ended {end.kind} with {end.rejected} rejected")
    return count + len(results)


def read_lines_plainly(chunks: Chunks) -> int:
    """`json.loads` of each line as soon as it is there. No limits, and the first broken line ends it."""
    count, open_line = 0, b""
    for chunk in chunks:
        open_line += chunk
        if b"\n" in chunk:
            *lines, open_line = open_line.split(b"\n")
            for line in lines:
                json.loads(line)
            count += len(lines)
    return count


def read_document_plainly(chunks: Chunks) -> int:
    """Bare ijson: no limits, no positions, and what is off the path is built as well."""
    events: Any = ijson.sendable_list()
    reader = ijson.get_backend(FAST).items_coro(events, PATH)
    count = 0
    for chunk in chunks:
        reader.send(chunk)
        count += len(events)
        events.clear()
    reader.close()
    return count + len(events)


def skip_document_plainly(chunks: Chunks) -> int:
    """Bare ijson again, on a path that leads to nothing. Returns 0."""
    events: Any = ijson.sendable_list()
    reader = ijson.get_backend(FAST).items_coro(events, "nothing")
    for chunk in chunks:
        reader.send(chunk)
    reader.close()
    return len(events)


def read_whole_document(chunks: Chunks) -> int:
    """`json.loads` when all has come: nothing is shown before."""
    return len(json.loads(b"".join(chunks))["findings"])


def reparse_with_pydantic_core(prefix: bytes) -> Any:
    return pydantic_core.from_json(prefix, allow_partial="trailing-strings")


def reparse_with_jiter(prefix: bytes) -> Any:
    return jiter.from_json(prefix, partial_mode="trailing-strings")
