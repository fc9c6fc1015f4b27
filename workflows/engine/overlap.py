"""What an answer gave before it was cut, while the model goes on with it in the same attempt. Pure."""

from collections import Counter
from collections.abc import Iterable

from workflows.engine.items import Change, CommittedItem, Keeper, NewItem


class Overlap:
    """A model that goes on may begin with what it has said already: that is dropped, or replaces what it said.

    Only what this one answer gave is compared, and only once it goes on: a document may well say a thing twice.
    """

    def __init__(self) -> None:
        self._given: Counter[str] | None = None  # keys that the present answer gave; None: there is no answer
        self._known = Keeper(())

    def begin(self) -> None:
        """A model is asked."""
        self._given = Counter()

    def end(self) -> None:
        self._given = None
        self._known = Keeper(())

    def go_on(self, committed: Iterable[CommittedItem]) -> None:
        """It is asked to go on. committed: all current items of the step, in order."""
        left = Counter(self._given)
        again = []
        for item in reversed(list(committed)):  # of equal keys the last are those of this answer
            if left[item.key]:
                left[item.key] -= 1
                again.append(item)
        self._known = Keeper(reversed(again))

    def admit(self, item: NewItem) -> list[Change]:
        """As Keeper: the item itself, if this answer has not given it."""
        return self._known.admit(item)

    def note(self, item: NewItem) -> None:
        """The present answer gave `item` for the first time, be it written, or known from an earlier attempt."""
        if self._given is not None:
            self._given[item.key] += 1
