"""A model without key, network or neural net: rules read the real text, and it streams like the others."""

import json
import random
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from streaming.llm.base import Chunk, Finish, Prompt, Usage, ndjson, ndjson_line
from streaming.llm.stopping import NEVER, Stop, pause

Extract = Callable[[str], Iterable[Mapping[str, Any]]]
CHARS_PER_TOKEN = 4  # a rule of thumb for English; nothing is billed here


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Length of a chunk in characters, from min to max, and the pause between two in seconds."""

    min_chars: int = 4
    max_chars: int = 24
    delay_seconds: float = 0.03


class OfflineModel:
    """extract: text of the prompt -> objects, in a stable order; may be lazy.

    seed: the same seed cuts the same text in the same places.  sleep: takes seconds.
    Usage is an estimate: one token for each 4 characters.
    """

    def __init__(
        self,
        extract: Extract,
        *,
        name: str = "offline",
        pace: Pace | None = None,
        seed: int = 0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = name
        self._extract = extract
        self._pace = pace or Pace()
        self._seed = seed
        self._sleep = sleep

    def stream(self, prompt: Prompt, *, stop: Stop = NEVER) -> Generator[Chunk | Finish, None, None]:
        chars_out = 0
        for text in self._cut(self._lines(prompt)):
            if chars_out:
                pause(self._pace.delay_seconds, stop=stop, sleep=self._sleep)
            if stop.is_set():
                return
            chars_out += len(text)
            yield Chunk(text)
        chars_in = len(prompt.system) + len(prompt.text) + len(ndjson(prompt.done))
        used = Usage(tokens_in=tokens(chars_in), tokens_out=tokens(chars_out), is_estimated=True)
        yield Finish("stop", used)

    def _lines(self, prompt: Prompt) -> Iterator[str]:
        done = list(prompt.done)
        for found in self._extract(prompt.text):
            text = ndjson_line(found)
            said = json.loads(text)
            index = next((index for index, value in enumerate(done) if is_same(said, value)), None)
            if index is None:
                yield text
            else:
                del done[index]

    def _cut(self, lines: Iterator[str]) -> Iterator[str]:
        """The text of all lines in pieces that end anywhere, line ends and escapes included."""
        roll = random.Random(self._seed)
        rest, size = "", self._size(roll)
        for text in lines:
            rest, start = rest + text, 0
            while len(rest) - start >= size:
                yield rest[start : start + size]
                start, size = start + size, self._size(roll)
            rest = rest[start:]
        if rest:
            yield rest

    def _size(self, roll: random.Random) -> int:
        return roll.randint(self._pace.min_chars, self._pace.max_chars)


def is_same(found: Mapping[str, Any], done: Mapping[str, Any]) -> bool:
    """Is `found` in `done`? A committed object has been validated, so it may hold defaults besides."""
    return all(done.get(key) == value for key, value in found.items())


def tokens(chars: int) -> int:
    return -(-chars // CHARS_PER_TOKEN)
