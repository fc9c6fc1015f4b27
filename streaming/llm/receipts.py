"""What a recorded model was asked and what it served, in a file that outlives the process that asked.

A line for each call, `{"call": "5f1c…", "pid": 71, "done": 3, "prompt_sha256": "…"}`, and one for each object,
`{"call": "5f1c…", "object": 3}`: its number in the recording, from 0. A line is written before its object is handed
out, so whatever could have been used has been counted, as a provider counts.
"""

import json
import os
import secrets
from collections import Counter
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from streaming.llm.base import Prompt
from streaming.llm.recording import prompt_sha256, write_whole


class Receipt:
    """The lines of one call. Without a path nothing is written. Raises OSError."""

    def __init__(self, path: Path | None, prompt: Prompt) -> None:
        self._call = secrets.token_hex(8)
        self._file: int | None = None
        if path is None:
            return
        # Appending is atomic, so several processes may share the file; nothing is held back, so a kill loses nothing.
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            self._write(
                {"pid": os.getpid(), "done": len(prompt.done), "prompt_sha256": prompt_sha256(prompt)}
            )
        except OSError:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)

    def serve(self, number: int) -> None:
        self._write({"object": number})

    def _write(self, values: dict[str, Any]) -> None:
        if self._file is not None:
            write_whole(self._file, (json.dumps({"call": self._call, **values}) + "\n").encode("ascii"))


def read_receipts(path: Path) -> tuple[int, Counter[int]]:
    """How often the model was asked, and how often each object was served. Raises OSError."""
    calls, served = 0, Counter[int]()
    with closing(path.open(encoding="ascii")) as lines:
        for values in map(json.loads, lines):
            if "object" in values:
                served[values["object"]] += 1
            else:
                calls += 1
    return calls, served
