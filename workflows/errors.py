"""Everything that can go wrong, as a tree. Each error says whose fault it is and whether a retry helps.

    Exception
    ├── StepError                 raised by a handler (author's world, or a vendor's)
    │   ├── Retryable             try again by the step's policy
    │   │   └── RetryAfter        try again, not before so many seconds
    │   └── Fatal                 trying again cannot help: the step fails now
    ├── EngineError               raised by the engine
    │   ├── DefinitionError       author: the workflow is wired wrongly; raised at import
    │   ├── UnknownWorkflow       caller or deploy: no such name and version here
    │   ├── InvalidInput          caller: the input does not fit the workflow's model
    │   ├── InvalidTransition     caller: the verb does not fit the state
    │   └── LeaseLost             rival: another attempt owns the step now; stop and write nothing
    └── AttemptFailed             the Celery task of an attempt that was settled as failed (ends its chain)

A handler's other exceptions count as retryable: most are passing faults of something it called.
"""

from collections.abc import Iterable


class StepError(Exception):
    """A handler's verdict on its own attempt. The message is shown to people: a sentence, no secrets.

    `code` is a stable slug for machines.
    """

    code = "step-failed"
    retryable = False

    def __init__(self, detail: str, *, code: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        if code is not None:
            self.code = code


class Retryable(StepError):
    """Something passing went wrong; the same attempt may succeed later."""

    code = "temporary-failure"
    retryable = True


class RetryAfter(Retryable):
    """As Retryable, and the other side said when: wait at least `seconds`."""

    def __init__(self, detail: str, *, seconds: float, code: str | None = None) -> None:
        super().__init__(detail, code=code)
        self.seconds = seconds

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild_retry_after, (self.detail, self.seconds, self.code)


def _rebuild_retry_after(detail: str, seconds: float, code: str) -> RetryAfter:
    return RetryAfter(detail, seconds=seconds, code=code)


class Fatal(StepError):
    """No retry can help: bad input, a refusal, a limit."""

    code = "fatal"


class EngineError(Exception):
    """Base of what the engine itself raises."""


class DefinitionError(EngineError):
    """A workflow or step is declared wrongly; the message names the mend."""


class UnknownWorkflow(EngineError):
    """No installed app defines this workflow in this version."""


class InvalidInput(EngineError):
    """The input does not validate. `errors`: (JSON pointer, code, sentence) of each fault."""

    def __init__(self, detail: str, *, errors: Iterable[tuple[str, str, str]] = ()) -> None:
        super().__init__(detail)
        self.errors = list(errors)


class InvalidTransition(EngineError):
    """The verb does not fit the run's state."""

    def __init__(self, detail: str, *, current_state: str, allowed_actions: Iterable[str]) -> None:
        super().__init__(detail)
        self.current_state = current_state
        self.allowed_actions = list(allowed_actions)


class LeaseLost(EngineError):
    """The step's lease is no longer this attempt's: nothing was written, nothing may be."""


class AttemptFailed(Exception):
    """Raised by the task after an attempt was settled as failed, so that its chain ends and Flower shows it."""
