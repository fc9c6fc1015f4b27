"""What a conversation asks of who performs it: the only places where bytes and time are touched."""

import json
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """`path`: below the server's address, or an absolute link. `options`: of the HTTP library, such as `files`."""

    method: str = "GET"
    path: str
    query: Mapping[str, str | int] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`headers`: names in lower case. `body`: b"" of a stream that was opened."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def json(self) -> Any:
        """Raises ValueError for a body that is no JSON."""
        return json.loads(self.body)

    @property
    def is_good(self) -> bool:
        return 200 <= self.status < 300

    @property
    def is_passing(self) -> bool:
        """Whether the same request may fare better later."""
        is_in_progress = self.status == 409 and self.problem.get("code") == "idempotency-key-in-progress"
        return self.status >= 500 or self.status in {408, 425, 429} or is_in_progress

    @property
    def retry_after_seconds(self) -> float | None:
        """What the server asks for; None when it does not, or names a date."""
        text = self.headers.get("retry-after", "").strip()
        return float(text) if text.isascii() and text.isdigit() and len(text) < 6 else None

    @property
    def problem(self) -> dict[str, Any]:
        """The problem document, empty where there is none."""
        try:
            found = self.json()
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


@dataclass(frozen=True, slots=True)
class Ask:
    """Send, and read the whole answer: resumed with an Answer, or Cut is thrown."""

    request: Request


@dataclass(frozen=True, slots=True)
class Open:
    """Send, and keep a good answer open to be read; resumed with an Answer, or Cut is thrown. Closes what was open."""

    request: Request


@dataclass(frozen=True, slots=True)
class Read:
    """Resumed with the next bytes of what is open, b"" at its end, or Cut is thrown."""


@dataclass(frozen=True, slots=True)
class Pause:
    seconds: float


@dataclass(frozen=True, slots=True)
class Emit:
    """Give the caller a value."""

    value: Any


Effect = Ask | Open | Read | Pause | Emit
# A conversation under way: yields effects, is resumed with what came of them, returns what it was for.
Program = Generator[Effect, Any, T]
