"""The registry of events: one schema and one audience per type. Public API, additive changes only.

A class describes `data`; step and attempt travel in the envelope's headers. `message()` makes the outbox message,
so nothing can be announced that is not described here.
"""

from datetime import datetime
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from outbox.append import Message
from outbox.models import Audience
from workflows.engine.outcomes import ErrorInfo

TYPES: "dict[str, type[EventData]]" = {}


def is_none(value: object) -> bool:
    return value is None


class EventData(BaseModel):
    """Base of all event data. Subclasses name their wire type and audience."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    TYPE: ClassVar[str]
    AUDIENCE: ClassVar[Audience] = Audience.PUBLIC
    ENDS_ROUND: ClassVar[bool] = False
    EPHEMERAL: ClassVar[bool] = False  # a frame: never stored, without seq and id

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        TYPES[cls.TYPE] = cls


class PublicError(BaseModel):
    """What everyone may know of an error: a slug, a sentence, whether a retry may help."""

    code: str
    detail: str
    retryable: bool

    @classmethod
    def of(cls, error: ErrorInfo) -> "PublicError":
        return cls.model_validate(error.public())


class OperatorError(PublicError):
    error_class: str

    @classmethod
    def of(cls, error: ErrorInfo) -> "OperatorError":
        return cls.model_validate(error.stored())


class Blob(BaseModel):
    """A value by reference: bytes of its canonical JSON, and their SHA-256 in hex."""

    size: int
    sha256: str


class PlannedStepData(BaseModel):
    name: str
    title: str
    position: int
    stage: int
    branch: int


class RunCreated(EventData):
    TYPE: ClassVar[str] = "run.created"
    workflow: str
    version: int
    title: str
    steps: list[PlannedStepData]


class RunStarted(EventData):
    TYPE: ClassVar[str] = "run.started"


class RunResumed(EventData):
    TYPE: ClassVar[str] = "run.resumed"
    by: str
    from_step: str


class RunWaiting(EventData):
    """Nothing else can be worked on until the wait `name` is answered, or `expires_at`."""

    TYPE: ClassVar[str] = "run.waiting"
    name: str
    answer_schema: dict[str, Any] | None = Field(alias="schema")
    expires_at: datetime


class RunCancelling(EventData):
    TYPE: ClassVar[str] = "run.cancelling"
    by: str
    undo: bool


class RunCancelled(EventData):
    TYPE: ClassVar[str] = "run.cancelled"
    ENDS_ROUND: ClassVar[bool] = True
    undo: bool


class RunCompleted(EventData):
    TYPE: ClassVar[str] = "run.completed"
    ENDS_ROUND: ClassVar[bool] = True
    items_count: int
    result: Blob


class RunFailed(EventData):
    TYPE: ClassVar[str] = "run.failed"
    ENDS_ROUND: ClassVar[bool] = True
    error: PublicError
    failed_step: str | None


class RunCompensating(EventData):
    TYPE: ClassVar[str] = "run.compensating"
    steps: list[str] = Field(description="names of the steps to undo, in the order of their undo")


class RunCompensated(EventData):
    TYPE: ClassVar[str] = "run.compensated"
    ENDS_ROUND: ClassVar[bool] = True
    steps: list[str]


class RunCompensationFailed(EventData):
    TYPE: ClassVar[str] = "run.compensation_failed"
    ENDS_ROUND: ClassVar[bool] = True
    steps: list[str]
    error: PublicError


class StepStarted(EventData):
    TYPE: ClassVar[str] = "step.started"
    title: str


class StepCompleted(EventData):
    TYPE: ClassVar[str] = "step.completed"
    items_count: int
    output: Blob
    duration_seconds: float


class StepRetryScheduled(EventData):
    TYPE: ClassVar[str] = "step.retry_scheduled"
    error: PublicError
    retry_at: datetime
    max_attempts: int


class StepFailed(EventData):
    TYPE: ClassVar[str] = "step.failed"
    error: PublicError


class StepWaiting(EventData):
    TYPE: ClassVar[str] = "step.waiting"
    title: str
    answer_schema: dict[str, Any] | None = Field(alias="schema")
    expires_at: datetime


class StepExpanded(EventData):
    """A fan-out has as many parts, named `<step>[0]`, `<step>[1]` …; their events carry that name."""

    TYPE: ClassVar[str] = "step.expanded"
    parts: int


class StepSkipped(EventData):
    TYPE: ClassVar[str] = "step.skipped"
    by: str
    reason: str


class StepReset(EventData):
    """An operator wants it done (again)."""

    TYPE: ClassVar[str] = "step.reset"


class StepCancelled(EventData):
    TYPE: ClassVar[str] = "step.cancelled"
    reason: str


class AttemptStarted(EventData):
    TYPE: ClassVar[str] = "attempt.started"
    AUDIENCE: ClassVar[Audience] = Audience.OPERATOR
    kind: str
    worker: str


class AttemptEnded(BaseModel):
    """Fields of every end of an attempt."""

    kind: str
    worker: str
    duration_seconds: float


class AttemptCompleted(AttemptEnded, EventData):
    TYPE: ClassVar[str] = "attempt.completed"
    AUDIENCE: ClassVar[Audience] = Audience.OPERATOR


class AttemptFailedData(AttemptEnded, EventData):
    TYPE: ClassVar[str] = "attempt.failed"
    AUDIENCE: ClassVar[Audience] = Audience.OPERATOR
    error: OperatorError


class AttemptTimedOut(AttemptEnded, EventData):
    TYPE: ClassVar[str] = "attempt.timed_out"
    AUDIENCE: ClassVar[Audience] = Audience.OPERATOR
    error: OperatorError


class AttemptLost(AttemptEnded, EventData):
    TYPE: ClassVar[str] = "attempt.lost"
    AUDIENCE: ClassVar[Audience] = Audience.OPERATOR
    error: OperatorError


class AttemptCancelled(AttemptEnded, EventData):
    TYPE: ClassVar[str] = "attempt.cancelled"
    AUDIENCE: ClassVar[Audience] = Audience.OPERATOR


class RepairedData(BaseModel):
    """The item is not what the model wrote at first: it was respelled, or the model was asked for it again."""

    by: Literal["respelling", "asking"]
    position: int = Field(description="byte offset of what was written at first in the model's answer")
    size: int = Field(description="its bytes, in UTF-8")
    sha256: str = Field(description="of it, in hex; of its canonical JSON, where it was JSON of another form")


class ItemCommitted(EventData):
    TYPE: ClassVar[str] = "item.committed"
    index: int
    key: str
    type: str
    value: dict[str, Any]
    repaired: RepairedData | None = Field(None, exclude_if=is_none, description="left out for most items")


class ItemReplaced(EventData):
    TYPE: ClassVar[str] = "item.replaced"
    index: int
    key: str
    value: dict[str, Any]
    repaired: RepairedData | None = Field(None, exclude_if=is_none, description="left out for most items")


class ItemRetracted(EventData):
    """It is no item of the step any more: a later attempt, which ended well, did not yield it again."""

    TYPE: ClassVar[str] = "item.retracted"
    index: int
    key: str
    value: dict[str, Any]


class ItemsReset(EventData):
    """Before the first item of a further attempt: those above `keep_through` are replaced by what follows."""

    TYPE: ClassVar[str] = "items.reset"
    policy: Literal["replace", "append"]
    keep_through: int = Field(ge=-1, description="index of the last item that stays; -1: none does")


class ItemRejected(EventData):
    TYPE: ClassVar[str] = "item.rejected"
    AUDIENCE: ClassVar[Audience] = Audience.OPERATOR
    position: int = Field(description="byte offset of the rejected text in the model's answer")
    reason: str
    raw: str = Field(description="the rejected text, cut")
    raw_size: int = Field(description="bytes")


class CompensationStarted(EventData):
    TYPE: ClassVar[str] = "compensation.started"


class CompensationCompleted(EventData):
    TYPE: ClassVar[str] = "compensation.completed"


class CompensationFailed(EventData):
    TYPE: ClassVar[str] = "compensation.failed"
    error: PublicError


class Said(EventData):
    TYPE: ClassVar[str] = "message"
    template: str
    params: dict[str, Any]
    text: str = Field(description="rendered in the default language")


class OperatorAction(EventData):
    TYPE: ClassVar[str] = "operator.action"
    action: str
    by: str
    reason: str


class InputReceived(EventData):
    """A waiting step was answered; the answer itself is the step's output."""

    TYPE: ClassVar[str] = "input.received"
    name: str
    by: str


class StepProgress(EventData):
    """How far the step is, as it works."""

    TYPE: ClassVar[str] = "step.progress"
    EPHEMERAL: ClassVar[bool] = True
    done: float
    total: float | None
    unit: str


class ItemPartial(EventData):
    """What is new of an item that is being written; see `streaming.parsers.ops`.

    It may yet be refused, and its numbers and literals are there once they are final. `set` with an empty pointer is
    all of it; null: it will not become an item. Sent for items that have not been committed.
    """

    TYPE: ClassVar[str] = "item.partial"
    EPHEMERAL: ClassVar[bool] = True
    index: int = Field(description="the one that it will have, if it becomes a new item")
    rev: int = Field(
        description="grows with each frame of an attempt; after a hole only a `set` of all counts"
    )
    ops: list[tuple[Literal["set", "push", "append"], str, Any]]


def message(data: EventData, *, step: str | None = None, attempt: int | None = None) -> Message:
    """The outbox message that announces `data`; step and attempt go into the envelope."""
    headers: dict[str, Any] = {}
    if step is not None:
        headers["step"] = step
    if attempt is not None:
        headers["attempt"] = attempt
    return Message(
        type=data.TYPE,
        payload=data.model_dump(mode="json", by_alias=True),
        headers=headers,
        audience=data.AUDIENCE,
    )
