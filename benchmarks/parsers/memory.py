"""The most memory that a parser takes above that of its process, on a stream of any length.

Run as a program it is the process that is measured: `python -m benchmarks.parsers.memory lines 1000000000` writes
a JSON object. It has the parsers in it and nothing else: no Django, no text but the one block that is fed again
and again.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from benchmarks.parsers.readers import ROOM
from benchmarks.parsers.texts import CLOSING, OPENING, PATH, as_lines, cut, of_length
from streaming.parsers import DocumentParser, NdjsonParser, Parser

ROOT = Path(__file__).parents[2]
CHUNK_BYTES = 65_536
BLOCK_BYTES = 1_000_000

FORMS = {
    "lines": "NdjsonParser",
    "document": "DocumentParser",
    "skipped": "DocumentParser, all skipped",
    "endless": "NdjsonParser, one line without an end",
}


def peak_of(form: str, size: int) -> dict[str, Any]:
    """{"above": bytes above the start, "start": bytes, "results": …} of a process of its own."""
    command = [sys.executable, "-m", "benchmarks.parsers.memory", form, str(size)]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    told: dict[str, Any] = json.loads(answer.stdout)
    return told


def stream(form: str, size: int) -> Iterator[bytes]:
    """At least `size` bytes."""
    found = of_length(BLOCK_BYTES)
    match form:
        case "lines":
            block = as_lines(found)
        case "endless":
            block = b"x" * BLOCK_BYTES
            yield b'{"text":"'
        case _:
            block = b",".join(found) + b","
            yield OPENING
    chunks = cut(block, CHUNK_BYTES)
    yield from islice(cycle(chunks), -(-size // len(block)) * len(chunks))
    if form in ("document", "skipped"):
        yield found[0] + CLOSING


def parser_of(form: str) -> Parser:
    match form:
        case "document":
            return DocumentParser([PATH], ROOM)
        case "skipped":
            return DocumentParser(["nothing"], ROOM)
    return NdjsonParser(ROOM)


def main(form: str, size: int) -> None:
    parser, chunks, results = parser_of(form), stream(form, size), 0
    results += len(parser.feed(next(chunks)))  # the block is there: it is the benchmark's, not the parser's
    start = status("VmRSS")
    for chunk in chunks:
        results += len(parser.feed(chunk))
    last, end = parser.close()
    told = {
        "start": start,
        # The kernel writes a peak down only when memory falls, so the last of them may be older than the start.
        "above": max(status("VmHWM"), status("VmRSS"), start) - start,
        "results": results + len(last),
        "rejected": end.rejected,
    }
    sys.stdout.write(json.dumps(told))


def status(name: str) -> int:
    """Bytes, from /proc: VmRSS what the process has in memory, VmHWM the most that it ever had."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1_024


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
