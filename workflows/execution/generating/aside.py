"""A call beside the thread that wants its result, so that it may do something else until it comes."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Result = TypeVar("Result")


class Aside(Generic[Result]):
    """One call in a thread of its own. The thread is a daemon: a call that hangs does not keep the process."""

    def __init__(self, work: Callable[[], Result], *, name: str) -> None:
        self._work = work
        self._result: list[Result] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def is_over(self) -> bool:
        return not self._thread.is_alive()

    def wait(self, seconds: float | None = None) -> bool:
        """Whether it is over within so many seconds; None: however long that takes."""
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
