"""Whether a byte costs more in a long answer, for us and for those who parse the whole prefix with each chunk."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.figures import Figure, Target
from benchmarks.measuring import NotArrived
from benchmarks.parsers import readers
from benchmarks.parsers.readers import Reader
from benchmarks.parsers.speed import LARGE, SMALL
from benchmarks.parsers.texts import Chunks, as_document, as_lines, cut, of_length
from benchmarks.parsers.turns import in_turns, seconds_of

FLAT = Target("ratio", "<=", 1.2)
PREFIXES = 16  # of one answer, evenly spaced: their mean stands for all, which would take hours
REPARSERS: Mapping[str, Callable[[bytes], Any]] = {
    "pydantic-core": readers.reparse_with_pydantic_core,
    "jiter": readers.reparse_with_jiter,
}


@dataclass
class Lengths:
    """The same objects, read as many short answers or as few long ones.

    spent: seconds a byte, by bytes an answer, one a round.
    """

    name: str
    reader: Reader
    answers: Mapping[int, Sequence[Chunks]]
    counts: Mapping[int, int]
    spent: dict[int, list[float]] = field(default_factory=dict)

    def play(self, *, is_backwards: bool) -> None:
        """Raises NotArrived when a value was not found."""
        for size in sorted(self.answers, reverse=is_backwards):
            found = 0

            def read(size: int = size) -> None:
                nonlocal found
                for chunks in self.answers[size]:
                    found += self.reader(chunks)

            seconds = seconds_of(read)
            if found != self.counts[size]:
                raise NotArrived(f"{self.name}: {found} of {self.counts[size]} values")
            length = sum(len(chunk) for chunks in self.answers[size] for chunk in chunks)
            self.spent.setdefault(size, []).append(seconds / length)

    def figures(self) -> list[Figure]:
        shortest, *longer = sorted(self.spent)
        return [
            Figure(
                name=f"{self.name}: an answer of {_said(size)}, floor {_said(shortest)}",
                unit="ns/byte",
                values=[seconds * 1e9 for seconds in self.spent[size]],
                floors=[seconds * 1e9 for seconds in self.spent[shortest]],
                target=FLAT,
            )
            for size in longer
        ]


def lengths(sizes: Sequence[int]) -> list[Lengths]:
    """`sizes`: bytes an answer, from the shortest to the longest; each divides the next."""
    parts = [of_length(sizes[0], seed=number) for number in range(sizes[-1] // sizes[0])]
    return [
        _lengths(f"{name}, time per byte, chunks of {said}", reader, form, parts, sizes, chunk)
        for name, reader, form in (
            ("NdjsonParser", readers.read_lines, as_lines),
            ("DocumentParser", readers.read_document, as_document),
        )
        for chunk, said in ((SMALL, "24 B"), (LARGE, "64 kB"))
    ]


def _lengths(
    name: str,
    reader: Reader,
    form: Callable[[Sequence[bytes]], bytes],
    parts: Sequence[Sequence[bytes]],
    sizes: Sequence[int],
    chunk: int,
) -> Lengths:
    answers: dict[int, Sequence[Chunks]] = {}
    for size in sizes:
        step = size // sizes[0]
        groups = (parts[start : start + step] for start in range(0, len(parts), step))
        answers[size] = [cut(form([each for part in group for each in part]), chunk) for group in groups]
    total = sum(map(len, parts))
    return Lengths(name, reader, answers, dict.fromkeys(sizes, total))


@dataclass
class Reparsing:
    """Seconds for one answer of `size` bytes in chunks of 24: ours, and by re-parser."""

    size: int
    ours: list[float] = field(default_factory=list)
    others: dict[str, list[float]] = field(default_factory=dict)

    def play(self) -> None:
        document = as_document(of_length(self.size))
        chunks = cut(document, SMALL)
        prefixes = [document[: len(document) * (2 * n + 1) // (2 * PREFIXES)] for n in range(PREFIXES)]
        repeats = max(1_000_000 // self.size, 1)
        ours = seconds_of(lambda: [readers.read_document(chunks) for _ in range(repeats)])
        self.ours.append(ours / repeats)
        works = {name: _over(reparse, prefixes, repeats) for name, reparse in REPARSERS.items()}
        for name, seconds in in_turns(works, turns=1).items():
            each = seconds / len(prefixes) / repeats
            self.others.setdefault(name, []).append(each * len(chunks))

    def figures(self) -> list[Figure]:
        return [
            Figure(
                name=f"re-parsing the prefix with {name}: an answer of {_said(self.size)}, floor DocumentParser",
                unit="s",
                values=seconds,
                floors=self.ours,
            )
            for name, seconds in self.others.items()
        ]


def _over(reparse: Callable[[bytes], Any], prefixes: Sequence[bytes], repeats: int) -> Callable[[], None]:
    def work() -> None:
        for _ in range(repeats):
            for prefix in prefixes:
                reparse(prefix)

    return work


def _said(size: int) -> str:
    return f"{size // 1_000_000} MB" if size >= 1_000_000 else f"{size // 1_000} kB"
