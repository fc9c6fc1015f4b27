"""What a step does with a piece of a model's answer that is no item. Operators are told of it in any case."""

from dataclasses import dataclass
from typing import Any, TypeAlias

from workflows.errors import DefinitionError


@dataclass(frozen=True)
class Skip:
    """Leave it out and go on."""


@dataclass(frozen=True)
class FailAfter:
    """Fail the attempt once `count` pieces of it were rejected, 1 or more. Its step is retried by its policy."""

    count: int

    def __post_init__(self) -> None:
        if self.count < 1:
            raise DefinitionError(
                f"FailAfter({self.count}): the first rejected piece is FailAfter(1); to fail never, use Skip()"
            )


@dataclass(frozen=True, kw_only=True)
class ReAsk:
    """Ask the model for that one item again, while the rest of its answer is read; the item keeps its place.

    times: how often for one item. at_most: items of one attempt; a model that writes nothing right is not asked twice
    for everything. material: show the prompt's text again, for faults that the item alone cannot mend; it is paid
    again too. then: what to do with an item that is still none.
    """

    times: int = 1
    at_most: int = 20
    material: bool = False
    then: Skip | FailAfter = Skip()

    def __post_init__(self) -> None:
        if self.times < 1 or self.at_most < 1:
            raise DefinitionError(
                f"ReAsk(times={self.times}, at_most={self.at_most}): both are 1 or more; to ask never, use Skip()"
            )
        if isinstance(self.then, ReAsk):
            raise DefinitionError(
                "ReAsk(then=ReAsk(…)): ask more often with times=, end with Skip() or FailAfter(n)"
            )


OnRejected: TypeAlias = Skip | FailAfter | ReAsk


def check_on_rejected(step_name: str, policy: Any, *, is_streaming: bool) -> None:
    """Raises DefinitionError for what is no policy, and for one that could never apply."""
    if not isinstance(policy, Skip | FailAfter | ReAsk):
        raise DefinitionError(
            f"{step_name}: on_rejected={policy!r} is none of Skip(), FailAfter(n) and ReAsk(times=1)"
        )
    if not is_streaming and policy != Skip():
        raise DefinitionError(f"{step_name} declares on_rejected but yields no items that could be rejected")
