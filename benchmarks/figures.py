"""What a benchmark found: a value, the floor that was measured beside it, and whether the target is met.

The machines are shared and noisy, so one number says little. A figure keeps what each round gave; a round measures
the thing and its floor one after the other, and only the ratio within a round counts. Value, floor and ratio are
medians over the rounds, each for itself: the ratio is not exactly value over floor.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal


@dataclass(frozen=True)
class Target:
    """A bound for the ratio to the floor, or for the value itself."""

    of: Literal["ratio", "value"]
    sense: Literal[">=", "<="]
    bound: float

    def is_met(self, number: float) -> bool:
        return number >= self.bound if self.sense == ">=" else number <= self.bound

    def __str__(self) -> str:
        return f"{self.of} {self.sense} {self.bound:.3g}"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """`values`: one a round, in `unit`. `floors`: those of the same rounds, or none where nothing bounds the figure.

    Raises ValueError when no round was played, when rounds and floors differ in number, when a floor is not above
    zero, and when the target asks for a ratio and there is no floor.
    """

    name: str
    unit: str
    values: Sequence[float]
    floors: Sequence[float] = ()
    target: Target | None = None

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError(f"{self.name}: no round was played")
        if self.floors and len(self.floors) != len(self.values):
            raise ValueError(f"{self.name}: {len(self.values)} rounds and {len(self.floors)} floors")
        if any(floor <= 0 for floor in self.floors):
            raise ValueError(f"{self.name}: a floor of nothing measures nothing")
        if self.target is not None and self.target.of == "ratio" and not self.floors:
            raise ValueError(f"{self.name}: a ratio needs a floor")

    @property
    def value(self) -> float:
        return median(self.values)

    @property
    def floor(self) -> float | None:
        return median(self.floors) if self.floors else None

    @property
    def ratios(self) -> list[float]:
        """Of each round, in their order; empty without a floor."""
        return [value / floor for value, floor in zip(self.values, self.floors, strict=False)]

    @property
    def ratio(self) -> float | None:
        return median(self.ratios) if self.floors else None

    @property
    def spread(self) -> tuple[float, float]:
        """The least and the greatest ratio of a round; where there is no floor, value."""
        numbers = self.ratios or self.values
        return min(numbers), max(numbers)

    @property
    def met(self) -> bool | None:
        """None where nothing was promised."""
        if self.target is None:
            return None
        return self.target.is_met(self.ratio if self.target.of == "ratio" and self.ratio else self.value)

    def as_json(self) -> dict[str, Any]:
        return {
            "figure": self.name,
            "value": rounded(self.value),
            "unit": self.unit,
            "floor": rounded(self.floor),
            "ratio": rounded(self.ratio),
            "target": str(self.target) if self.target else None,
            "met": self.met,
            "spread": [rounded(number) for number in self.spread],
        }


def rounded(number: float | None) -> float | None:
    """To four significant digits: more would be noise."""
    return None if number is None else float(f"{number:.4g}")
