"""Everything that can go wrong, as a tree. Each error says whose fault it is and whether a retry helps.

    Exception
    ├── StepError                 raised by a handler (author's world, or a vendor's)
    │   ├── Retryable             try again by the step's policy
    │   │   ├── RetryAfter        try again, not before so many seconds
    │   │   └── Truncated         vendor: a model's answer was cut, and going on with it did not bring its end
    │   └── Fatal                 trying again cannot help: the step fails now
    │       ├── BudgetExceeded    operator: the run has used of models what it may
    │       └── StoredValueLost   operator: a large output is gone from the storage, or damaged
    ├── EngineError               raised by the engine
    │   ├── DefinitionError       author: the workflow is wired wrongly; raised at import
    │   ├── UnknownWorkflow       caller or deploy: no such name and version here
    │   ├── InvalidInput          caller: the input does not fit the workflow's model
    │   ├── InvalidTransition     caller: the verb does not fit the state
    │   ├── UniqueKeyConflict     caller: a live run has this unique key
    │   ├── KeyReused             caller: this idempotency key came before, with another request
    │   ├── Unavailable           operator: a server that is needed is away; ask again in a while
    │   ├── LeaseLost             rival: another attempt owns the step now; stop and write nothing
    │   └── RunCancelled          operator: the run is being cancelled; stop working
    └── AttemptFailed             the Celery task of an attempt that was settled as failed (ends its chain)

A handler's other exceptions count as retryable: most are passing faults of something it called.
"""

from collections.abc import Iterable
from uuid import UUID


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


class Truncated(Retryable):
    """A model's answer has no end. What came before the cut is kept, and the next attempt goes on after it."""

    code = "truncated-answer"


def _rebuild_retry_after(detail: str, seconds: float, code: str) -> RetryAfter:
    return RetryAfter(detail, seconds=seconds, code=code)


class Fatal(StepError):
    """No retry can help: bad input, a refusal, a limit."""

    code = "fatal"


class BudgetExceeded(Fatal):
    """The run's budget of tokens or money is spent, or cannot be kept. The sentence says where it is raised."""

    code = "budget-exceeded"


class StoredValueLost(Fatal):
    """A value kept outside its row cannot be read: the file is missing, or not what was stored."""

    code = "stored-value-lost"


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


class UniqueKeyConflict(EngineError):
    """At most one live run has a unique key. `existing`: the run that has it."""

    def __init__(self, detail: str, *, existing: UUID) -> None:
        super().__init__(detail)
        self.existing = existing


class KeyReused(EngineError):
    """The caller sent this idempotency key before, with a different request."""


class Unavailable(EngineError):
    """A server that the act needs is away. What was done stays done: asked again, it goes on from there."""


class RunCancelled(EngineError):
    """The run is being cancelled: the handler's work is no longer wanted."""


class LeaseLost(EngineError):
    """The step's lease is no longer this attempt's: nothing was written, nothing may be."""


class AttemptFailed(Exception):
    """Raised by the task after an attempt was settled as failed, so that its chain ends and Flower shows it."""
