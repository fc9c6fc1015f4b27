"""What the API answers, as models that its description is made of. Members may be added: clients ignore unknown ones.

A member with a default may be absent; all others are always there, be it as null.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from workflows.states import AttemptState, RunState, StepState

Cursor = int | str


class Error(BaseModel):
    """What went wrong: a slug, a sentence, whether a retry may help."""

    code: str
    detail: str
    retryable: bool


class Progress(BaseModel):
    done: float
    total: float | None
    unit: str


class Used(BaseModel):
    """What the models were asked and said, summed over all attempts."""

    tokens_in: int
    tokens_out: int
    cost: float | None = Field(description="null: nothing was used, or a part of it has no price")


class Usage(Used):
    """Of a run; see docs/usage.md."""

    currency: str = Field(description="ISO 4217")


class StepUsage(Used):
    """Of a step that asked a model. Model, end and times are those of its latest attempt."""

    calls: int
    is_estimated: bool = Field(description="nobody counted a part of the tokens")
    model: str | None
    finish_reason: str | None
    first_token_seconds: float | None
    first_item_seconds: float | None
    last_item_seconds: float | None


class Step(BaseModel):
    name: str
    title: str
    kind: str
    position: int
    stage: int = Field(description="steps of one stage run beside each other")
    branch: int
    state: StepState
    state_info: str = Field(description="what it is doing, in words")
    attempt: int = Field(description="number of the latest forward attempt; 0: none yet")
    max_attempts: int
    progress: Progress | None
    items_count: int
    due_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    error: Error | None
    usage: StepUsage | None = Field(description="null: it asked no model, or it is not your business")


class RunLinks(BaseModel):
    self: str
    events: str
    items: str
    result: str
    page: str


class RunRow(BaseModel):
    """A run in a list."""

    id: UUID
    workflow: str
    version: int
    title: str
    state: RunState
    state_info: str = Field(description="what it is doing, in words")
    is_terminal: bool
    allowed_actions: list[str] = Field(
        description="verbs that fit its state and that the caller may use: hard-code no state machine"
    )
    epoch: int
    seq: int = Field(description="number of its latest event: a stream opened after it misses nothing")
    progress: Progress
    current_steps: list[str]
    error: Error | None
    parent_run: UUID | None
    labels: dict[str, str]
    usage: Usage | None = Field(description="null: to readers of a share link")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    links: RunLinks


class RunSnapshot(RunRow):
    """Everything of one moment."""

    steps: list[Step]


class Count(BaseModel):
    value: int
    is_capped: bool = Field(description="there are at least so many")


class RunPage(BaseModel):
    runs: list[RunRow]
    next: str | None = Field(description="`cursor` of the next page")
    count: Count | None = Field(None, description="with `count=estimate` only")


class StepPage(BaseModel):
    steps: list[Step]
    next: int | None = Field(description="`after` of the next page of parts")


class Attempt(BaseModel):
    kind: str = Field(description="forward, or undo")
    number: int
    state: AttemptState
    error: dict[str, Any] | None = Field(description="code, detail, retryable; more for operators")
    usage: dict[str, Any] = Field(description="as of a step, so far as it is known")
    started_at: datetime
    finished_at: datetime | None
    duration_seconds: float | None
    worker: str = Field("", description="for operators only")


class AttemptList(BaseModel):
    attempts: list[Attempt]


class Item(BaseModel):
    """An object that a step streamed."""

    seq: int = Field(description="of the event that announced its present content")
    index: int = Field(description="its place within the step; places may be missing")
    key: str
    type: str
    step: str
    attempt: int
    value: dict[str, Any]
    replaced_by_attempt: int | None = Field(None, description="with `include=gone` only")
    retracted_by_attempt: int | None = Field(None, description="with `include=gone` only")


class ItemPage(BaseModel):
    items: list[Item]
    next: Cursor | None = Field(description="`after` of the next page")


class Envelope(BaseModel):
    """An event. What `data` holds for which `type`: /api/asyncapi.json. Unknown types are to be ignored."""

    v: int
    seq: int
    id: UUID
    type: str
    run: UUID
    time: datetime
    data: dict[str, Any]
    step: str = ""
    attempt: int = 0


class EventPage(BaseModel):
    events: list[Envelope]
    next: Cursor | None = Field(description="`after` of the next page; null at the head of the log")
    seq: int
    epoch: int


class WorkflowStep(BaseModel):
    name: str
    title: str
    kind: str
    position: int
    stage: int
    branch: int
    over: str | None = Field(description="of a fan-out: the step whose items it is over")
    has_undo: bool
    pivot: bool
    retry_only: bool
    max_attempts: int
    timeout_seconds: float


class WorkflowRow(BaseModel):
    name: str
    version: int
    versions: list[int]
    title: str
    on_failure: str
    deadline_seconds: float | None
    startable_here: bool = Field(description="false: it has a door of its own, such as an upload")
    steps: list[WorkflowStep]


class WorkflowDetail(WorkflowRow):
    input_schema: dict[str, Any] = Field(description="JSON Schema")
    schemas: dict[str, dict[str, Any]] = Field(
        description="by step: JSON Schemas of its `output`, `items` and `answer`, where it has them"
    )


class WorkflowList(BaseModel):
    workflows: list[WorkflowRow]


class Fault(BaseModel):
    pointer: str = Field(description="JSON Pointer into the body")
    code: str
    detail: str


class Problem(BaseModel):
    """RFC 9457. Branch on `code`; `type` leads to the page that explains it. Some kinds have more members."""

    type: str
    title: str
    status: int
    detail: str = Field(description="what happened and the way out, for a person")
    code: str
    request_id: str = Field(
        "", description="as in the header `X-Request-ID` and in the server's log; not in what a stream says"
    )
    instance: str = Field("", description="the path that was asked for")
    errors: list[Fault] | None = None
