"""A model and an attempt that a test plays, for the reading of answers."""

import threading
from collections.abc import Callable, Generator
from typing import Any

from pydantic import BaseModel, ConfigDict

from streaming.llm import Chunk, Finish, Prompt, Usage
from streaming.llm.stopping import NEVER, Stop
from streaming.parsers import Parser
from tests.fakes import FakeRecords
from workflows.definitions import OnRejected, Skip
from workflows.engine.items import RejectedItem, Repaired
from workflows.execution.generating import Answer, Generated, Reading, Rejections
from workflows.execution.half import NoHalfItem
from workflows.execution.meter import Meter

Talk = Callable[[Prompt], Generator[Chunk | Finish, None, None]]


class Note(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: str


def line(text: str) -> str:
    return f'{{"text":"{text}"}}\n'


def says(*texts: str | BaseException, finish: Any = "stop") -> Talk:
    def talk(prompt: Prompt) -> Generator[Chunk | Finish, None, None]:
        for text in texts:
            if isinstance(text, BaseException):
                raise text
            yield Chunk(text)
        if finish:
            yield Finish(finish, Usage(tokens_in=10, tokens_out=20))

    return talk


class Talker:
    """Answers in order; those to second askings apart, since they are asked by other threads."""

    name = "talker"

    def __init__(self, *answers: Talk, again: Talk | list[Talk] | None = None) -> None:
        self.answers = list(answers)
        self.again = again
        self.prompts: list[Prompt] = []
        self.reasks: list[Prompt] = []
        self.closed = 0
        self._lock = threading.Lock()

    def stream(self, prompt: Prompt, *, stop: Stop = NEVER) -> Generator[Chunk | Finish, None, None]:
        with self._lock:
            if not prompt.system.startswith("You are given one object"):
                self.prompts.append(prompt)
                talk = self.answers.pop(0)
            else:
                self.reasks.append(prompt)
                assert self.again is not None, "nobody expected a second asking"
                talk = self.again.pop(0) if isinstance(self.again, list) else self.again
        return self._counted(talk(prompt))

    def _counted(self, talk: Generator[Chunk | Finish, None, None]) -> Generator[Chunk | Finish, None, None]:
        try:
            yield from talk
        finally:
            talk.close()
            self.closed += 1


class Ear:
    """The attempt."""

    def __init__(self) -> None:
        self.meter = Meter(FakeRecords(), prices={})
        self.given: list[str] = []  # items, and what was rejected in brackets, in order
        self.rejected: list[RejectedItem] = []
        self.went_on = self.active = 0
        self.stop: Exception | None = None
        self.stop_signal: Stop = NEVER
        self.repaired: Repaired | None = None
        self.marks: dict[str, Repaired | None] = {}  # of the items, by their text

    def check_cancelled(self) -> None:
        if self.stop is not None:
            raise self.stop

    def note_activity(self) -> None:
        self.active += 1

    def reject(self, rejected: RejectedItem) -> None:
        self.rejected.append(rejected)
        self.given.append(f"[{rejected.raw}]")

    def go_on(self) -> None:
        self.went_on += 1

    def half_item(self, parser: Parser, items: type[BaseModel]) -> NoHalfItem:
        return NoHalfItem()

    def hear(
        self,
        model: Talker,
        *,
        on_rejected: OnRejected | None = None,
        prompt: Prompt | None = None,
        items: type[BaseModel] = Note,
        **reading: Any,
    ) -> Generated:
        """Take the whole answer."""
        answer = Answer[BaseModel](
            self,
            model,
            prompt or Prompt(system="s", text="the material"),
            reading=Reading[BaseModel](items=items, **reading),
            rejections=Rejections(on_rejected or Skip()),
        ).give()
        while True:
            try:
                item = next(answer)
            except StopIteration as end:
                return end.value
            self.given.append(item.text)  # type: ignore[attr-defined]
            self.marks[item.text] = self.repaired  # type: ignore[attr-defined]
