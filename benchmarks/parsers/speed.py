"""Megabytes a second of each parser beside what reads the same bytes without our limits."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from benchmarks.figures import Figure, Target
from benchmarks.measuring import NotArrived
from benchmarks.memory import MEGABYTE
from benchmarks.parsers import readers
from benchmarks.parsers.texts import as_document, as_lines, cut, cut_text, of_length, respelled
from benchmarks.parsers.turns import in_turns

SMALL, LARGE = 24, 65_536  # bytes a chunk: a few words, as a model says them; what a socket gives at once
TEN = Target("value", ">=", 10)
FORTY = Target("value", ">=", 40)
TWO_FIFTHS = Target("ratio", ">=", 0.4)

Count = Callable[[], int]


@dataclass
class Pair:
    """Ours and its floor, which count the values of one answer. `speeds`, `floors`: MB/s, one a round."""

    name: str
    ours: Count
    floor: Count
    size: int  # bytes of the answer
    count: int
    target: Target | None = None
    speeds: list[float] = field(default_factory=list)
    floors: list[float] = field(default_factory=list)

    def play(self, turns: int) -> None:
        """Raises NotArrived when a value was not found."""
        works = {"ours": self.ours, "floor": self.floor}
        for which, read in works.items():
            if (found := read()) != self.count:
                raise NotArrived(f"{self.name}: {which} found {found} of {self.count} values")
        spent = in_turns(works, turns=turns)
        megabytes = turns * self.size / MEGABYTE
        self.speeds.append(megabytes / spent["ours"])
        self.floors.append(megabytes / spent["floor"])

    def figure(self) -> Figure:
        return Figure(name=self.name, unit="MB/s", values=self.speeds, floors=self.floors, target=self.target)


def pairs(size: int) -> list[Pair]:
    """`size`: bytes of the answer."""
    found = of_length(size)
    others = respelled(found)
    return [
        *_lines(as_lines(found), len(found)),
        *_documents(as_document(found), len(found)),
        *_respelled(as_lines(others), as_document(others), len(found)),
    ]


def _lines(text: bytes, count: int) -> list[Pair]:
    small, large, words = cut(text, SMALL), cut(text, LARGE), cut_text(text.decode(), SMALL)
    ours, plain, size = readers.read_lines, readers.read_lines_plainly, len(text)
    name = "NdjsonParser, chunks of"
    return [
        Pair(f"{name} 24 B", partial(ours, small), partial(plain, small), size, count, TEN),
        Pair(f"{name} 24 characters", partial(ours, words), partial(plain, small), size, count),
        Pair(f"{name} 64 kB", partial(ours, large), partial(plain, large), size, count, FORTY),
    ]


def _documents(text: bytes, count: int) -> list[Pair]:
    small, large, words = cut(text, SMALL), cut(text, LARGE), cut_text(text.decode(), SMALL)
    ours, bare, size = readers.read_document, readers.read_document_plainly, len(text)
    either = readers.read_either
    skip, skip_bare = readers.skip_document, readers.skip_document_plainly
    whole = partial(readers.read_whole_document, large)
    name = "DocumentParser, chunks of"
    skipped = "DocumentParser, all skipped, chunks of"
    return [
        Pair(f"{name} 24 B", partial(ours, small), partial(bare, small), size, count, TWO_FIFTHS),
        Pair(f"{name} 24 characters", partial(ours, words), partial(bare, small), size, count),
        Pair(f"{name} 64 kB", partial(ours, large), partial(bare, large), size, count, TWO_FIFTHS),
        Pair(f"{name} 64 kB, floor json.loads", partial(ours, large), whole, size, count),
        Pair(
            "AutoParser, a document, chunks of 24 B",
            partial(either, small),
            partial(bare, small),
            size,
            count,
        ),
        Pair(f"{skipped} 24 B", partial(skip, small), partial(skip_bare, small), size, 0),
        Pair(f"{skipped} 64 kB", partial(skip, large), partial(skip_bare, large), size, 0),
    ]


def _respelled(lines: bytes, document: bytes, count: int) -> list[Pair]:
    return [
        Pair(
            f"{name}, with 12.50 and \\u00dc, chunks of {said}",
            partial(ours, cut(text, chunk)),
            partial(floor, cut(text, chunk)),
            len(text),
            count,
        )
        for name, ours, floor, text in (
            ("NdjsonParser", readers.read_lines, readers.read_lines_plainly, lines),
            ("DocumentParser", readers.read_document, readers.read_document_plainly, document),
        )
        for chunk, said in ((SMALL, "24 B"), (LARGE, "64 kB"))
    ]
