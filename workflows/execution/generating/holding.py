"""The pieces of an answer in their order, held back while one before them is being asked for again."""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic

from workflows.conf import conf
from workflows.execution.generating.reading import Found, ItemModel, NoItem
from workflows.execution.generating.reasking import Reasked

POLL_SECONDS = 0.1  # how soon a wait notices that the work is no longer wanted


class Holding(Generic[ItemModel]):
    """Bounded: `take` waits when too much is held, so that no more of the answer is read."""

    def __init__(self, *, tick: Callable[[bool], None]) -> None:
        """tick: called while it waits, with whether the model said something; what it raises ends the wait."""
        self._tick = tick
        self._pieces: deque[Found[ItemModel] | NoItem | Reasked[ItemModel]] = deque()
        self._bytes = 0
        self._words = 0  # of all that are being asked for again, at the last look

    @property
    def is_empty(self) -> bool:
        return not self._pieces

    def add(self, piece: Found[ItemModel] | NoItem | Reasked[ItemModel]) -> None:
        self._pieces.append(piece)
        self._bytes += size_of(piece)

    def take(self, *, everything: bool = False) -> Iterator[Found[ItemModel] | NoItem | Reasked[ItemModel]]:
        """What may go on, in order; what was asked for again among it. everything: wait for all of it."""
        while self._pieces:
            first = self._pieces[0]
            if isinstance(first, Reasked) and not first.is_over:
                if not everything and not self._is_full:
                    return
                self._wait(first)
            self._pieces.popleft()
            self._bytes -= size_of(first)
            yield first

    def listen(self) -> None:
        """To be called while something is waited for."""
        words = sum(piece.words for piece in self._pieces if isinstance(piece, Reasked))
        has_spoken, self._words = words > self._words, words
        self._tick(has_spoken)

    def close(self) -> None:
        for piece in self._pieces:
            if isinstance(piece, Reasked):
                piece.give_up()
        self._pieces.clear()

    @property
    def _is_full(self) -> bool:
        limits = conf()
        return (
            len(self._pieces) > limits.reask_held_items
            or self._bytes > limits.reask_held_bytes
            or sum(isinstance(piece, Reasked) for piece in self._pieces) >= limits.reask_at_once
        )

    def _wait(self, reasked: Reasked[ItemModel]) -> None:
        while not reasked.is_over:
            reasked.wait(POLL_SECONDS)
            self.listen()


def size_of(piece: Found[ItemModel] | NoItem | Reasked[ItemModel]) -> int:
    return piece.no_item.size if isinstance(piece, Reasked) else piece.size
