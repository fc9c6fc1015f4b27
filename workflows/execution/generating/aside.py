"""A read of the model beside the thread that wants it, which may do something else until it comes.

Only while there is something else to do, and one read at a time: a thread that always read ahead would need a queue
with bounds of its own, and would read on while the database is slow. It costs 0.1 ms a read.
"""

import threading
from collections.abc import Callable, Generator, Iterator
from typing import Generic, TypeVar

from streaming.llm import Stopper

POLL_SECONDS = 0.1  # how soon something else is noticed

Result = TypeVar("Result")
Given = TypeVar("Given")


def beside(
    read: Callable[[], Result], *, meanwhile: Callable[[], Iterator[Given]], stop: Stopper
) -> Generator[Given, None, Result]:
    """What `read` returns, or raises; what `meanwhile` has to give is given until then, ten times a second.

    stop: of what is read from, set when nobody wants it any more. Only its own thread can end a read.
    """
    aside = Aside(read)
    try:
        while not aside.is_over_within(POLL_SECONDS):
            yield from meanwhile()
    finally:
        if not aside.is_over:
            stop.set()
            aside.is_over_within(None)
    return aside.result()


class Aside(Generic[Result]):
    """One call in a thread of its own. The thread is a daemon: a call that hangs does not keep the process."""

    def __init__(self, work: Callable[[], Result]) -> None:
        self._work = work
        self._result: list[Result] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="longhaul-listen", daemon=True)
        self._thread.start()

    @property
    def is_over(self) -> bool:
        return not self._thread.is_alive()

    def is_over_within(self, seconds: float | None) -> bool:
        """seconds: how long it is waited for; None: as long as it takes."""
        self._thread.join(seconds)
        return self.is_over

    def result(self) -> Result:
        """Once it is over. Raises what the call raised."""
        if self._error is not None:
            raise self._error
        return self._result[0]

    def _run(self) -> None:
        try:
            self._result.append(self._work())
        except BaseException as error:
            self._error = error
