"""What was heard of a model as the members of a line in a recording, and back."""

import math
from dataclasses import asdict, fields
from typing import Any, get_args

from streaming.llm.base import Chunk, Finish, FinishReason, ModelError, ModelRefused, ModelUnavailable, Usage


def members(part: Chunk | Finish | ModelError) -> dict[str, Any]:
    match part:
        case Chunk(text=text):
            return {"text": text}
        case Finish(reason=reason, usage=usage):
            return {"finish": reason, "usage": asdict(usage)}
        case ModelUnavailable():
            told = {"failure": "unavailable", "message": str(part)}
            return told | given({"retry_after_seconds": part.retry_after_seconds})
    return {"failure": "refused", "message": str(part)}


def given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def part_of(values: dict[str, Any]) -> Chunk | Finish | ModelError:
    """Raises KeyError, TypeError, ValueError for what `members` never wrote."""
    if "text" in values:
        return Chunk(str(values["text"]))
    if "finish" in values:
        return Finish(_reason(values["finish"]), _usage(values.get("usage") or {}))
    if values["failure"] == "unavailable":
        wait = values.get("retry_after_seconds")
        return ModelUnavailable(
            str(values["message"]), retry_after_seconds=None if wait is None else seconds_of(wait)
        )
    return ModelRefused(str(values["message"]))


def _reason(text: str) -> FinishReason:
    return next((reason for reason in get_args(FinishReason) if reason == text), "unknown")


def _usage(values: Any) -> Usage:
    kinds: dict[str, Any] = {field.name: type(field.default) for field in fields(Usage)}
    return Usage(**{name: kinds[name](value) for name, value in dict(values).items() if name in kinds})


def seconds_of(value: Any) -> float:
    """Raises TypeError, ValueError."""
    seconds = float(value)
    if not math.isfinite(seconds):
        raise ValueError("nobody waits that long")
    return seconds
