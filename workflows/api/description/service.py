"""The state of the service, described."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from workflows.api.description.operations import Operation, Operations, answers_json


class MissingCode(BaseModel):
    workflow: str
    version: int
    step: str = Field(description="empty: all of the workflow")
    runs: int


class Stuck(BaseModel):
    overdue_steps: int = Field(description="steps whose alarm is a minute late or more")
    is_capped: bool = Field(description="there are at least so many")
    overdue_since: datetime | None
    stranded_runs: list[UUID] = Field(description="live runs that nothing will move by itself")
    missing_code: list[MissingCode]


class ShardLeases(BaseModel):
    role: str
    shards: int
    until: datetime
    is_over: bool


class Waiting(BaseModel):
    """What the database holds for Redis."""

    streams: int
    entries: int
    is_capped: bool
    oldest_at: datetime | None
    poisoned_streams: int
    dead_letters: dict[str, int] = Field(description="by consumer")
    leases: list[ShardLeases]


class Published(BaseModel):
    """What Redis has."""

    entries_added: int
    last_at: datetime | None
    tombstones: int


class Relay(BaseModel):
    waiting: Waiting | None
    published: Published | None


class SystemStatus(BaseModel):
    """A part that did not answer is null."""

    is_well: bool
    troubles: list[str] = Field(description="a sentence for each thing that needs a human")
    live_runs: dict[str, int] | None = Field(description="by state")
    queues: dict[str, int] | None = Field(description="messages that wait")
    workers: list[str] | None = Field(description="those that answered within half a second")
    steps_by_holder: dict[str, int] | None = Field(description="steps that each process works on")
    stuck: Stuck | None
    relay: Relay


def system_operations() -> Operations:
    return {
        ("GET", "/api/v1/system"): Operation(
            id="get_system",
            tag="Service",
            summary="Queues, workers, relay, and what is stuck; for staff",
            answers=answers_json(SystemStatus, "How it is, be it well or not."),
        )
    }
