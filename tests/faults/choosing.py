"""Which cells a shorter round plays."""

import random
from collections.abc import Iterable

# With every change: each law of the engine (fence, count, lock, order of undo) and of the outbox at least once.
CHOSEN = frozenset(
    {
        "G2.claimed.K",
        "G2.in-body.K",
        "G2.intent-written.E",
        "G2.effect-done.K",
        "G2.settled.K",
        "G3.cancel-settling.2",
        "G3.join.2",
        "G3.undo-in-body.K",
        # What the outbox must not do: leave a gap, go back, publish or apply twice, begin again from the start.
        "G4.before-append.L",
        "G4.rewind.2",
        "G4.consumed-handled.L",
        "G5.idle.flush",
        "G5.mid-batch.tail-loss",
        "G6.mid-batch.loss",
    }
)


def pairwise(names: Iterable[str], roll: random.Random) -> set[str]:
    """Of cells `group.moment.fault`: a small choice in which each moment, and each fault of each group, occurs."""
    open_pairs = {pair for name in names for pair in _pairs(name)}
    rest = sorted(names)
    roll.shuffle(rest)
    chosen: set[str] = set()
    while open_pairs:
        best = max(rest, key=lambda name: len(_pairs(name) & open_pairs))
        chosen.add(best)
        open_pairs -= _pairs(best)
    return chosen


def _pairs(name: str) -> set[tuple[str, str]]:
    group, moment, fault = name.split(".")
    return {(group, f"at {moment}"), (group, f"by {fault}")}
