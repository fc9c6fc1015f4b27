"""A model's answer as a file: what was heard and when, one JSON object a line.

The first line says what was asked, without its words unless they were wanted; one for each chunk follows, and the
last says how it ended. `at` is seconds spent waiting for the model since it was asked. A file without that last line is
of an answer that was closed or killed in the middle, and ends as such answers do: without a reason.

    {"recording": 1, "model": "small", "recorded_at": "…", "prompt_sha256": "…", "asked_sha256": "…", "done": 0}
    {"at": 0.41, "text": "{\\"kind\\": \\"par"}
    {"at": 2.75, "finish": "stop", "usage": {"tokens_in": 812, "tokens_out": 344}}
    {"at": 2.75, "failure": "unavailable", "message": "…", "retry_after_seconds": 7.0}      (instead of a finish)
"""

import hashlib
import json
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

from streaming.llm.base import Chunk, Finish, ModelError, Prompt
from streaming.llm.spelling import given, members, part_of, seconds_of

VERSION = 1
SUFFIX = ".jsonl"


class NotARecording(ValueError):
    """The file is none of ours, or damaged before its last line. The message says where."""


@dataclass(frozen=True, kw_only=True)
class Heading:
    """What was asked of whom. done: how many objects the prompt listed as done."""

    model: str
    recorded_at: str
    prompt_sha256: str
    asked_sha256: str
    done: int = 0
    prompt: dict[str, str] | None = None


@dataclass(frozen=True)
class Heard:
    """at: seconds of waiting for the model until then."""

    at: float
    part: Chunk | Finish | ModelError


@dataclass(frozen=True)
class Recording:
    heading: Heading
    parts: tuple[Heard, ...]


class Take:
    """A recording being written: each line is handed to the system at once, so a killed process loses none.

    Raises OSError. Only its owner may read the file: it holds what a model said about somebody's document.
    """

    def __init__(self, folder: Path, heading: Heading) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = folder / _file_name(heading)
        self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        try:
            self._write({"recording": VERSION, **given(asdict(heading))})
        except OSError:
            self.close()
            raise

    def hear(self, at: float, part: Chunk | Finish | ModelError) -> None:
        self._write({"at": round(at, 6), **members(part)})

    def close(self) -> None:
        os.close(self._file)

    def _write(self, values: dict[str, Any]) -> None:
        # ASCII, so that half of a surrogate pair at the end of a chunk comes back as it was.
        write_whole(self._file, (json.dumps(values) + "\n").encode("ascii"))


def write_whole(file: int, data: bytes) -> None:
    """`os.write` may write a part only; a line torn by that would look like one torn by a kill."""
    while data:
        data = data[os.write(file, data) :]


def heading(model: str, prompt: Prompt, *, now: datetime, keep_prompt: bool) -> Heading:
    return Heading(
        model=model,
        recorded_at=now.isoformat(timespec="seconds"),
        prompt_sha256=prompt_sha256(prompt),
        asked_sha256=asked_sha256(prompt),
        done=len(prompt.done),
        prompt={"system": prompt.system, "text": prompt.text} if keep_prompt else None,
    )


def save_recording(
    folder: Path,
    parts: Iterable[str | Finish],
    *,
    now: datetime,
    prompt: Prompt,
    seconds_between: float = 0.0,
) -> Path:
    """Write a recording that nobody said: for tests and demonstrations. Returns its path."""
    take = Take(folder, heading("written", prompt, now=now, keep_prompt=False))
    for number, part in enumerate(parts):
        take.hear(number * seconds_between, Chunk(part) if isinstance(part, str) else part)
    take.close()
    return take.path


def read_recording(path: Path) -> Recording:
    """Raises OSError, NotARecording."""
    with _opened(path) as lines:
        first = _parsed(path, 1, lines.readline())
        parts = tuple(_heard_lines(path, lines))
    return Recording(_heading(path, first), parts)


def read_heading(path: Path) -> Heading:
    """Raises OSError, NotARecording."""
    with _opened(path) as lines:
        return _heading(path, _parsed(path, 1, lines.readline()))


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    try:
        with path.open(encoding="utf-8") as lines:
            yield lines
    except UnicodeDecodeError:
        raise NotARecording(f"{path.name}: this is no text") from None


def prompt_sha256(prompt: Prompt) -> str:
    """Of what does not change from one attempt to the next."""
    return _sha256([prompt.system, prompt.text])


def asked_sha256(prompt: Prompt) -> str:
    """Of all that the model was told."""
    return _sha256([prompt.system, prompt.text, [dict(value) for value in prompt.done], prompt.schema])


def _sha256(values: list[Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode("ascii")).hexdigest()


def _file_name(heading: Heading) -> str:
    """Sorts by time; never two of the same name, whoever records at the same moment."""
    model = "".join(letter if letter.isalnum() or letter in "-._" else "-" for letter in heading.model)[:60]
    when = heading.recorded_at.replace(":", "").replace("+0000", "Z")
    return f"{when}-{model}-{heading.prompt_sha256[:8]}-{secrets.token_hex(3)}{SUFFIX}"


def _heading(path: Path, values: dict[str, Any]) -> Heading:
    if values.get("recording") != VERSION:
        raise NotARecording(f"{path.name}, line 1: this is no recording of version {VERSION}")
    known = {field.name for field in fields(Heading)}
    try:
        return Heading(**{name: value for name, value in values.items() if name in known})
    except TypeError as error:
        raise NotARecording(f"{path.name}, line 1: {error}") from None


def _heard_lines(path: Path, lines: Iterable[str]) -> Iterable[Heard]:
    for number, line in enumerate(lines, start=2):
        if not line.endswith("\n"):
            return  # torn by a kill: the rest of it was never said
        values = _parsed(path, number, line)
        try:
            yield Heard(seconds_of(values["at"]), part_of(values))
        except (KeyError, TypeError, ValueError):
            raise NotARecording(
                f"{path.name}, line {number}: neither text nor a finish nor a failure"
            ) from None


def _parsed(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        raise NotARecording(f"{path.name}, line {number}: this is no JSON") from None
    if not isinstance(values, dict):
        raise NotARecording(f"{path.name}, line {number}: this is no JSON object")
    return values
