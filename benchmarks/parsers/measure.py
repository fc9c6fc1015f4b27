"""The parsers' benchmark: speed, streams a core, growth and memory, all in processor's time, without any server."""

from dataclasses import dataclass
from importlib.metadata import version

from benchmarks.figures import Figure, Target
from benchmarks.measuring import Effort, Measured, NotArrived, Request
from benchmarks.memory import MEGABYTE
from benchmarks.parsers import memory
from benchmarks.parsers.crowd import crowds
from benchmarks.parsers.growth import Reparsing, lengths
from benchmarks.parsers.speed import pairs

LEAN = Target("value", "<=", 64)  # MB


@dataclass(frozen=True)
class Sizes:
    """Bytes, but for rounds, turns and streams. lengths: of an answer; each divides the next."""

    rounds: int
    turns: int
    answer: int
    lengths: tuple[int, ...]
    streams: int
    streamed: int  # for memory


SIZES = {
    Effort.FULL: Sizes(5, 5, 1_000_000, (10_000, 1_000_000, 20_000_000), 1_000, 1_000_000_000),
    Effort.QUICK: Sizes(3, 3, 1_000_000, (10_000, 1_000_000, 20_000_000), 1_000, 100_000_000),
    Effort.SMOKE: Sizes(1, 1, 20_000, (1_000, 10_000), 20, 2_000_000),
}


def measure(request: Request) -> Measured:
    """Raises NotArrived when a reader missed a value."""
    sizes = SIZES[request.effort]
    rounds = request.rounds or sizes.rounds
    figures = [
        *_speed(sizes, rounds, request),
        *_crowds(sizes, rounds, request),
        *_growth(sizes, rounds, request),
        *_reparsing(sizes, request),
        *_memory(sizes, request),
    ]
    names = ("ijson", "orjson", "pydantic-core", "jiter")
    return Measured(figures, {name: version(name) for name in names})


def _speed(sizes: Sizes, rounds: int, request: Request) -> list[Figure]:
    measured = pairs(sizes.answer)
    for number in range(rounds):
        request.say(f"speed, round {number + 1} of {rounds}")
        for pair in measured:
            pair.play(sizes.turns)
    return [pair.figure() for pair in measured]


def _crowds(sizes: Sizes, rounds: int, request: Request) -> list[Figure]:
    measured = crowds(sizes.streams, sizes.lengths[0])
    for number in range(rounds):
        request.say(f"streams at once, round {number + 1} of {rounds}")
        for crowd in measured:
            crowd.play()
    return [crowd.figure() for crowd in measured]


def _growth(sizes: Sizes, rounds: int, request: Request) -> list[Figure]:
    measured = lengths(sizes.lengths)
    for number in range(rounds):
        request.say(f"growth, round {number + 1} of {rounds}")
        for each in measured:
            each.play(is_backwards=number % 2 == 1)
    return [figure for each in measured for figure in each.figures()]


def _reparsing(sizes: Sizes, request: Request) -> list[Figure]:
    """Two rounds: nobody needs to know the third digit of a thousandfold."""
    measured = [Reparsing(size) for size in sizes.lengths]
    for each in measured:
        request.say(f"re-parsing {each.size:,} bytes")
        each.play()
        each.play()
    return [figure for each in measured for figure in each.figures()]


def _memory(sizes: Sizes, request: Request) -> list[Figure]:
    figures = []
    for form, name in memory.FORMS.items():
        request.say(f"memory, {name}, {sizes.streamed:,} bytes")
        told = memory.peak_of(form, sizes.streamed)
        if (form in ("lines", "document")) != bool(told["results"] > 1 and not told["rejected"]):
            raise NotArrived(f"{name}: {told}")
        figures.append(
            Figure(
                name=f"{name}: peak memory above start, a stream of {sizes.streamed // 1_000_000:,} MB",
                unit="MB",
                values=[told["above"] / MEGABYTE],
                target=LEAN,
            )
        )
    return figures
