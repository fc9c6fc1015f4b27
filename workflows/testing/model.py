"""A model that says what the test told it to say."""

from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from streaming.llm import Chunk, Finish, FinishReason, Model, Prompt, Usage
from streaming.llm.base import ndjson_line
from streaming.llm.stopping import NEVER, Stop

Piece = str | BaseModel | Mapping[str, Any] | Exception


class Unscripted(BaseException):
    """A step asked the model more often than the test scripted answers.

    Not an Exception: the step would be retried, and the test would fail somewhere else.
    """


class ScriptedModel:
    """Gives the scripted answers in their order, one each time it is asked, and keeps the prompts.

    otherwise: the model to ask when no answer is left, for example `get_model()`, which is the one of the settings.
    """

    name = "scripted"

    def __init__(self) -> None:
        self.prompts: list[Prompt] = []
        self.otherwise: Model | None = None
        self.closed_count = 0  # answers that were closed, to their end or before it
        self._answers: deque[tuple[list[str | Exception], FinishReason | None]] = deque()

    def script(
        self, *pieces: Piece, chunk_chars: int | None = None, finish: FinishReason | None = "stop"
    ) -> None:
        """Add one answer: pieces of text as they are, objects as one line of JSON each, exceptions raised in between.

        chunk_chars: cut all text anew into chunks of so many characters, wherever that falls. finish: how the answer
        ends; None: it breaks off.
        """
        texts = [_text(piece) for piece in pieces]
        self._answers.append((texts if chunk_chars is None else list(_cut(texts, chunk_chars)), finish))

    @property
    def answers_left(self) -> int:
        return len(self._answers)

    def stream(self, prompt: Prompt, *, stop: Stop = NEVER) -> Generator[Chunk | Finish, None, None]:
        self.prompts.append(prompt)
        if self._answers:
            return self._say(*self._answers.popleft())
        if self.otherwise is not None:
            return self.otherwise.stream(prompt, stop=stop)
        raise Unscripted(
            f"the model was asked {len(self.prompts)} times, and no answer is left: "
            "script() one for each time, or set `otherwise`"
        )

    def _say(
        self, pieces: Sequence[str | Exception], finish: FinishReason | None
    ) -> Generator[Chunk | Finish, None, None]:
        try:
            for piece in pieces:
                if isinstance(piece, Exception):
                    raise piece
                yield Chunk(piece)
            if finish is not None:
                yield Finish(finish, Usage(tokens_in=10, tokens_out=20))
        finally:
            self.closed_count += 1


def _text(piece: Piece) -> str | Exception:
    if isinstance(piece, str | Exception):
        return piece
    value = piece.model_dump(mode="json", by_alias=True) if isinstance(piece, BaseModel) else piece
    return ndjson_line(value)


def _cut(pieces: Sequence[str | Exception], chars: int) -> Iterator[str | Exception]:
    """The text in chunks of `chars`, across the pieces; what came before an exception is said before it."""
    rest = ""
    for piece in pieces:
        if isinstance(piece, Exception):
            if rest:
                yield rest
            yield piece
            rest = ""
            continue
        rest += piece
        while len(rest) >= chars:
            yield rest[:chars]
            rest = rest[chars:]
    if rest:
        yield rest
