"""One reader's way through one run's log: each event once and in order, across every cut of the line."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from streaming.client.effects import Emit, Program, Read, Request
from streaming.client.errors import Cut, LogIncomplete, LogReset, Refused, TimedOut
from streaming.client.place import Lines, Place

RUNS = "/api/v1/runs"
STREAM_HEADERS = {"Accept": "application/x-ndjson", "Accept-Encoding": "identity"}
UNTOLD = frozenset({"hello", "hb", "caught_up"})  # of the connection, not of the run


@dataclass(frozen=True, slots=True)
class Deadline:
    """`at`: by the conversation's clock; `seconds` is what the caller gave, for the sentence."""

    at: float = math.inf
    seconds: float = math.inf

    def check(self, now: float) -> None:
        if now >= self.at:
            raise TimedOut(f"the run did not end within {self.seconds:.0f} s")


class Following:
    """`is_over`: the run's round has ended, and all of it was told."""

    def __init__(self, run: str, *, after: int | str, mind: Callable[[], None]) -> None:
        """mind: called at every sign of life, and may raise what ends the following. Raises ValueError."""
        self._run = run
        self._mind = mind
        self._place = Place.of(after)
        # Who reads from the start builds the run from its events, and can do so again after a reset.
        self._is_from_start = not self._place.seq
        self._wish_seconds: float | None = None
        self.is_over = False

    def request(self) -> Request:
        """What to open next."""
        self._wish_seconds = None
        query: dict[str, str | int] = {"follow": 1, "after": self._place.cursor}
        return Request(path=f"{RUNS}/{self._run}/events", query=query, headers=STREAM_HEADERS)

    def read(self) -> Program[float | None]:
        """Emits what the open stream says. Returns after how many seconds the server, who ended it, wants us back.

        Raises Cut where it breaks off without a word; LogReset, LogIncomplete, Refused.
        """
        lines = Lines()
        while data := (yield Read()):
            self._mind()
            for text in lines.feed(data):
                line = _parsed(text)
                if self._take(line):
                    yield Emit(line)
                    self._mind()
                if self.is_over:
                    return None
        if self._wish_seconds is None:
            raise Cut("the stream broke off")
        return self._wish_seconds

    def _take(self, line: dict[str, Any]) -> bool:
        """Whether the caller is told."""
        match line.get("type"):
            case "reset":
                self._reset(line)
            case "bye":
                self._wish_seconds = line.get("retry_ms", 1_000) / 1_000
                return False
            case "error":
                problem = line.get("problem") or {}
                raise refused(self.request(), status=problem.get("status", 0), problem=problem)
            case "end":
                self.is_over = True
        return self._place.moves(line) and line.get("type") not in UNTOLD

    def _reset(self, line: dict[str, Any]) -> None:
        if not self._is_from_start:
            raise LogReset("the log does not go on from the cursor: read the snapshot, and follow from there")
        if not self._place.seq:
            raise LogIncomplete("the first events of the run are no longer kept")
        self._place.restart(epoch=line["epoch"])
        self._wish_seconds = 0.0


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        line = json.loads(text)
    except ValueError:
        line = None
    if not isinstance(
        line, dict
    ):  # a proxy's page, or bytes that were lost on the way: the next try may be sound
        raise Cut("the stream said something that is no event")
    return line


def refused(request: Request, *, status: int, problem: dict[str, Any]) -> Refused:
    """In the words of the server, where it has any."""
    said = problem.get("detail") or problem.get("title") or "no reason was given"
    return Refused(f"{request.path} answered {status}: {said}", status=status, problem=problem)
