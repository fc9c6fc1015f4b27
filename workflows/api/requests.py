"""What callers send with a write: bodies with known fields only, and the headers that make it safe to repeat."""

from collections.abc import Mapping
from datetime import datetime
from io import BytesIO
from typing import IO, Any, Literal, TypeVar, cast

from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import RequestDataTooBig
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser
from rest_framework.request import Request

from outbox.clock import CLOCK
from workflows.errors import InvalidInput
from workflows.services import Request as KeyedRequest
from workflows.services import request_of
from workflows.services.inputs import validated
from workflows.services.keys import find_answer

KEY_HEADER = "Idempotency-Key"


class BoundedJSONParser(JSONParser):
    """Django REST framework's, which would read a body of any size and fail on one that is nested without end."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Raises ParseError, RequestDataTooBig."""
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        body = stream.read() if limit is None else stream.read(limit + 1)
        if limit is not None and len(body) > limit:
            raise RequestDataTooBig
        try:
            return super().parse(BytesIO(body), media_type, parser_context)
        except RecursionError as error:
            raise ParseError("the JSON is nested too deeply") from error


def caller(request: Request) -> User:
    """Who asks: the API lets nobody in who is not signed in."""
    return cast(User, request.user)


class Body(BaseModel):
    """Base of all bodies. reason: why, kept in the audit trail."""

    model_config = ConfigDict(extra="forbid", strict=True)

    reason: str = ""


class StartBody(Body):
    workflow: str
    version: int | None = None
    input: dict[str, Any]
    title: str | None = Field(None, max_length=200)
    labels: dict[str, str] = Field(default_factory=dict)
    unique_key: str | None = None
    on_conflict: Literal["reject", "return", "cancel_existing"] = "reject"
    not_before: AwareDatetime | None = Field(None, strict=False)

    @property
    def begins(self) -> datetime | None:
        return self.not_before


class CancelBody(Body):
    compensate: bool | Literal["default"] = "default"

    @property
    def undo(self) -> bool | None:
        return None if self.compensate == "default" else bool(self.compensate)


class RetryBody(Body):
    from_step: str | None = None


class RerunBody(RetryBody):
    input: dict[str, Any] | None = None


class SkipBody(Body):
    output: Any = None


Model = TypeVar("Model", bound=Body)


def read_body(request: Request, model: type[Model]) -> Model:
    """The JSON body as `model`; none at all is an empty one. Raises InvalidInput with a pointer to each fault."""
    data = request.data
    if not isinstance(data, dict):
        detail = "the body is a JSON object"
        raise InvalidInput(detail, errors=[("", "not_an_object", detail)])
    return validated(model, plain(data), what="the request does not fit")


def read_key(request: Request, *, scope: str, body: Any) -> KeyedRequest | None:
    """The caller's idempotency key, quoted or bare, with what it is for. Raises InvalidInput for one too long.

    body: JSON value of what is asked; the same key with another one is refused.
    """
    header = request.headers.get(KEY_HEADER)
    if header is None:
        return None
    key = header.strip()
    if len(key) >= 2 and key[0] == key[-1] == '"':
        key = key[1:-1]
    return request_of(caller(request), scope=scope, key=key, body=body)


def is_replay(key: KeyedRequest | None) -> bool:
    """Whether this request was answered before; a rival that answers it just now is not told from us."""
    return find_answer(key, now=CLOCK.now()) is not None


def plain(data: Any) -> Any:
    """A parsed body as JSON value: a form's fields, each once."""
    return data.dict() if hasattr(data, "dict") else data
