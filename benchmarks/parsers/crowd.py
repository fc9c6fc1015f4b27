"""How many answers one core reads while they are written, all at once: a parser a stream, a few words at a time."""

from dataclasses import dataclass, field

from benchmarks.figures import Figure, Target
from benchmarks.measuring import NotArrived
from benchmarks.parsers.readers import ROOM
from benchmarks.parsers.speed import SMALL
from benchmarks.parsers.texts import PATH, Chunks, as_document, as_lines, cut, of_length
from benchmarks.parsers.turns import in_turns
from streaming.parsers import DocumentParser, NdjsonParser, Parser

BYTES_A_SECOND = 1_000.0  # a model that writes fast: some 250 tokens a second
STREAMS_A_CORE = Target("value", ">=", 1_000)


@dataclass
class Crowd:
    """`values`: streams that fit on one core; `floors`: the same answers read one after the other."""

    form: str
    answers: list[Chunks]
    counts: int
    values: list[float] = field(default_factory=list)
    floors: list[float] = field(default_factory=list)

    def play(self) -> None:
        """Raises NotArrived when a value was not found."""
        length = sum(len(chunk) for chunks in self.answers for chunk in chunks)
        spent = in_turns({"crowd": self._together, "floor": self._apart}, turns=2)
        self.values.append(2 * length / spent["crowd"] / BYTES_A_SECOND)
        self.floors.append(2 * length / spent["floor"] / BYTES_A_SECOND)

    def figure(self) -> Figure:
        return Figure(
            name=f"{self.form}s at 1 kB/s that fit on one core, {len(self.answers):,} at once, floor one by one",
            unit="streams",
            values=self.values,
            floors=self.floors,
            target=STREAMS_A_CORE,
        )

    def _parser(self) -> Parser:
        return NdjsonParser(ROOM) if self.form == "NdjsonParser" else DocumentParser([PATH], ROOM)

    def _together(self) -> None:
        parsers = [self._parser() for _ in self.answers]
        found = 0
        for turn in range(max(map(len, self.answers))):
            for parser, chunks in zip(parsers, self.answers, strict=True):
                if turn < len(chunks):
                    found += len(parser.feed(chunks[turn]))
        self._check(found + sum(len(parser.close()[0]) for parser in parsers))

    def _apart(self) -> None:
        found = 0
        for chunks in self.answers:
            parser = self._parser()
            for chunk in chunks:
                found += len(parser.feed(chunk))
            found += len(parser.close()[0])
        self._check(found)

    def _check(self, found: int) -> None:
        if found != self.counts:
            raise NotArrived(f"{self.form}: {found} of {self.counts} values")


def crowds(streams: int, size: int) -> list[Crowd]:
    """`size`: bytes an answer."""
    parts = [of_length(size, seed=number) for number in range(streams)]
    count = sum(map(len, parts))
    return [
        Crowd("NdjsonParser", [cut(as_lines(part), SMALL) for part in parts], count),
        Crowd("DocumentParser", [cut(as_document(part), SMALL) for part in parts], count),
    ]
