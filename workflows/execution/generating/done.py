"""What a model has written of an answer, and is not to write again."""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from outbox import wire
from workflows.conf import conf
from workflows.engine.items import digest


class Done:
    """By content. What a call repeats of the calls before it is no news, and is not told twice."""

    def __init__(self, earlier: Iterable[Mapping[str, Any]]) -> None:
        """earlier: of other answers, and of earlier attempts."""
        self._values = list(earlier)
        self._known = {digest(value) for value in self._values}  # before the present call
        self._new: set[bytes] = set()  # of the present call

    @property
    def has_news(self) -> bool:
        """Whether the present call brought something new."""
        return bool(self._new)

    def begin_call(self) -> None:
        self._known |= self._new
        self._new = set()

    def add(self, value: Mapping[str, Any]) -> None:
        mark = digest(value)
        if mark not in self._known:
            self._new.add(mark)
            self._values.append(value)

    def told(self) -> tuple[Mapping[str, Any], ...]:
        """For the next prompt: the last objects, up to `model_done_max_bytes` of them. A model writes in the order of
        its material, so it can go on after these; what it repeats of those before them is dropped when it comes.
        """
        left, told = conf().model_done_max_bytes, deque[Mapping[str, Any]]()
        for value in reversed(self._values):
            left -= len(wire.encode(value))
            if left < 0:
                break
            told.appendleft(value)
        return tuple(told)
