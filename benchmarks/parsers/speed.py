"""Megabytes a second of each parser beside what reads the same chunks without our limits."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.figures import Figure, Target
from benchmarks.measuring import NotArrived
from benchmarks.memory import MEGABYTE
from benchmarks.parsers import readers
from benchmarks.parsers.readers import Reader
from benchmarks.parsers.texts import Chunks, as_document, as_lines, cut, of_length
from benchmarks.parsers.turns import in_turns

SMALL, LARGE = 24, 65_536  # bytes a chunk: a few words, as a model says them; what a socket gives at once


@dataclass
class Pair:
    """One of ours and its floor on the same chunks. `speeds`, `floors`: MB/s, one a round."""

    name: str
    reader: Reader
    floor: Reader
    chunks: Chunks
    count: int
    target: Target | None
    speeds: list[float] = field(default_factory=list)
    floors: list[float] = field(default_factory=list)

    def play(self, turns: int) -> None:
        """Raises NotArrived when a value was not found."""
        for reader in (self.reader, self.floor):
            if (found := reader(self.chunks)) != self.count:
                raise NotArrived(f"{self.name}: {reader.__name__} found {found} of {self.count} values")
        spent = in_turns(
            {"ours": lambda: self.reader(self.chunks), "floor": lambda: self.floor(self.chunks)}, turns=turns
        )
        megabytes = turns * sum(map(len, self.chunks)) / MEGABYTE
        self.speeds.append(megabytes / spent["ours"])
        self.floors.append(megabytes / spent["floor"])

    def figure(self) -> Figure:
        return Figure(name=self.name, unit="MB/s", values=self.speeds, floors=self.floors, target=self.target)


def pairs(size: int) -> list[Pair]:
    """`size`: bytes of the answer."""
    found = of_length(size)
    lines, document = as_lines(found), as_document(found)
    return [
        pair
        for chunk, said in ((SMALL, "24 B"), (LARGE, "64 kB"))
        for pair in _pairs(found, cut(lines, chunk), cut(document, chunk), said, is_small=chunk == SMALL)
    ]


def _pairs(
    found: Sequence[bytes], lines: Chunks, document: Chunks, said: str, *, is_small: bool
) -> list[Pair]:
    ours = Target("value", ">=", 10 if is_small else 40)
    share = Target("ratio", ">=", 0.4)
    rows: list[tuple[str, Reader, Reader, Chunks, int, Target | None]] = [
        ("NdjsonParser", readers.read_lines, readers.read_lines_plainly, lines, len(found), ours),
        (
            "DocumentParser",
            readers.read_document,
            readers.read_document_plainly,
            document,
            len(found),
            share,
        ),
        (
            "DocumentParser, all skipped",
            readers.skip_document,
            readers.skip_document_plainly,
            document,
            0,
            None,
        ),
    ]
    if not is_small:
        whole = readers.read_whole_document
        rows.append(
            ("DocumentParser, floor json.loads", readers.read_document, whole, document, len(found), None)
        )
    return [
        Pair(f"{name}, chunks of {said}", reader, floor, chunks, count, target)
        for name, reader, floor, chunks, count, target in rows
    ]
