"""What a client may say on a socket: subscribe, unsubscribe, ping. Pure."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson


class BadFrame(ValueError):
    """The frame cannot be understood. The message says why, for the client's author."""


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Follow `run` after the cursor `after`. A second one for the same run takes the place of the first."""

    run: UUID
    after: str


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    run: UUID


@dataclass(frozen=True, slots=True)
class Ping:
    pass


def parse_frame(text: str, *, max_bytes: int) -> Subscribe | Unsubscribe | Ping:
    """Unknown fields are ignored, unknown types are not: nobody would answer them. Raises BadFrame."""
    size = len(text.encode())
    if size > max_bytes:
        raise BadFrame(f"a frame has at most {max_bytes} bytes, this one has {size}")
    try:
        frame = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise BadFrame("a frame is one JSON object") from None
    if not isinstance(frame, dict):
        raise BadFrame("a frame is one JSON object")
    match frame.get("type"):
        case "subscribe":
            return Subscribe(_run(frame), _cursor(frame.get("after")))
        case "unsubscribe":
            return Unsubscribe(_run(frame))
        case "ping":
            return Ping()
    raise BadFrame("type is subscribe, unsubscribe or ping")


def _run(frame: dict[str, Any]) -> UUID:
    try:
        return UUID(frame["run"])
    except (KeyError, ValueError, AttributeError, TypeError):
        raise BadFrame("run is the id of a run") from None


def _cursor(after: object) -> str:
    """Its text; whether it is a cursor is for the reader to say, who knows the log."""
    if after is None:
        return "0"
    if isinstance(after, str) or (isinstance(after, int) and not isinstance(after, bool)):
        return str(after)
    raise BadFrame("after is a cursor: a number, or epoch.number as text")
