"""What is answered of a result, as models that its description is made of."""

from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field


class ResultWhole(BaseModel):
    run: UUID
    result: Any


class ResultMember(BaseModel):
    """A part of a result: a container has `count`, a text or number its `value`."""

    kind: Literal["object", "array", "string", "number", "boolean", "null"]
    pointer: str
    key: str | int | None = Field(None, description="name or index within what it is a member of")
    count: int | None = None
    size: int | None = Field(None, description="bytes of its JSON")
    value: Any = None
    is_cut: bool = Field(False, description="`value` is the beginning only: ask for it by its pointer")
    members: list["ResultMember"] | None = None
    next: str | None = Field(None, description="`after` of the next page of members")


class ResultPart(ResultMember):
    """The part that was asked for by a query."""

    run: UUID
