"""The small protocol between a step and whatever writes for it.

ModelError                  shown to a person; never holds a key, a prompt or a provider's own words
+-- ModelUnavailable        the provider's or the network's fault: another try may help
+-- ModelRefused            ours, or a verdict on the request: another try of the same will not help
"""

import json
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from streaming.llm.stopping import NEVER, Stop

FinishReason = Literal["stop", "length", "content_filter", "unknown"]


class ModelError(Exception):
    """The model gave no answer, or broke it off. The message is a sentence for a person."""


class ModelUnavailable(ModelError):
    """retry_after_seconds: how long the provider asked us to wait, or None when it did not say."""

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class ModelRefused(ModelError):
    """The request as it is will not be answered."""


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """system: rules, schema, example line.  text: the material, pages marked by lines such as "[page 3]".

    done: objects of an earlier, interrupted answer that are committed; the model goes on after them.
    schema: JSON Schema of the whole answer where it is one document; None where it is objects, one a line.
    """

    system: str
    text: str
    done: tuple[Mapping[str, Any], ...] = ()
    schema: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Tokens as the provider counts them; 0 where it does not say.

    tokens_cached: those of `tokens_in` that it had read before, which are cheaper. is_estimated: nobody counted them.
    """

    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    is_estimated: bool = False


@dataclass(frozen=True)
class Chunk:
    """A piece of the answer, cut anywhere: inside a word, a number, an escape."""

    text: str


@dataclass(frozen=True)
class Finish:
    """The end of the answer. `unknown`: it ended without a reason, so it must be taken as truncated."""

    reason: FinishReason
    usage: Usage


class Model(Protocol):
    @property
    def name(self) -> str: ...

    def stream(self, prompt: Prompt, *, stop: Stop = NEVER) -> Generator[Chunk | Finish, None, None]:
        """A generator of chunks and, last, one Finish. Raises ModelError.

        Nothing is asked before the first `next()`. `close()`, at any point, closes the connection.
        stop: set by another thread, also while the model is silent. Within a second the connection is closed, and the
        answer ends, mostly without a Finish. Several threads may read, one after the other.
        """


def ndjson(values: tuple[Mapping[str, Any], ...]) -> str:
    return "".join(map(ndjson_line, values))


def ndjson_line(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False) + "\n"
