"""What every benchmark is given and gives back."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from benchmarks.figures import Figure


class Effort(StrEnum):
    """How much is measured. SMOKE only shows that everything runs: its figures mean nothing."""

    FULL = "full"
    QUICK = "quick"
    SMOKE = "smoke"


@dataclass(frozen=True)
class Request:
    """`rounds`: how often each pair is measured; None leaves it to the benchmark."""

    effort: Effort
    rounds: int | None
    say: Callable[[str], None]  # a line of progress


@dataclass(frozen=True)
class Measured:
    """`versions`: of the servers that took part, by name."""

    figures: Sequence[Figure]
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Benchmark:
    title: str
    measure: Callable[[Request], Measured]


class NotArrived(Exception):
    """Something was lost, doubled or out of order: a speed that costs this is none. The message says what."""
