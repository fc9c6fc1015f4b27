"""A model that says again what another one once said: without a key, without a network, at any speed."""

import json
import time
from bisect import bisect_right
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from streaming.llm.base import Chunk, Finish, ModelError, ModelRefused, Prompt, Usage
from streaming.llm.offline import is_same
from streaming.llm.receipts import Receipt
from streaming.llm.recording import (
    SUFFIX,
    Heading,
    Heard,
    NotARecording,
    Recording,
    asked_sha256,
    prompt_sha256,
    read_heading,
    read_recording,
)
from streaming.llm.stopping import NEVER, Stop, pause


@dataclass(frozen=True, kw_only=True)
class RecordedModel:
    """path: one recording, said whatever is asked; or a folder of them, of which the one of this prompt is said.

    speed: 1 as it was, 10 ten times as fast, 0 without pauses.  receipts: file that counts what was asked and served.
    sleep: takes seconds.

    Chunks are those of the recording, byte for byte. Where objects are done, it goes on in the line after the last of
    them; an answer that is no lines is said from its beginning.
    """

    path: Path
    speed: float = 1.0
    receipts: Path | None = None
    name: str = "recorded"
    sleep: Callable[[float], None] = time.sleep

    def stream(self, prompt: Prompt, *, stop: Stop = NEVER) -> Generator[Chunk | Finish, None, None]:
        try:
            recording = self._choose(prompt)
            with Receipt(self.receipts, prompt) as receipt:
                yield from self._say(recording, prompt, receipt, stop)
        except NotARecording as problem:
            raise ModelRefused(
                f"A recorded answer cannot be read: {problem}. Check LONGHAUL_MODEL_RECORDING."
            ) from None
        except OSError as problem:
            raise ModelRefused(
                f"A recorded answer cannot be played: {problem.strerror}. Check LONGHAUL_MODEL_RECORDING and "
                "LONGHAUL_MODEL_RECORDING_LOG."
            ) from None

    def _choose(self, prompt: Prompt) -> Recording:
        if not self.path.is_dir():
            return read_recording(self.path)
        headings = dict(_headings(self.path))
        asked, whole = asked_sha256(prompt), prompt_sha256(prompt)
        # An answer that had gone on after what was done is the right one only where the same was done.
        found = [path for path, heading in headings.items() if heading.asked_sha256 == asked]
        found += [
            path for path, heading in headings.items() if heading.prompt_sha256 == whole and not heading.done
        ]
        if found:
            return read_recording(found[0])
        raise ModelRefused(
            f"None of the {len(headings)} recordings is an answer to this prompt. "
            "Record it with LONGHAUL_MODEL_RECORD_TO, or name one file in LONGHAUL_MODEL_RECORDING."
        )

    def _say(
        self, recording: Recording, prompt: Prompt, receipt: Receipt, stop: Stop
    ) -> Generator[Chunk | Finish, None, None]:
        script = Script(recording, prompt)
        heard_at = 0.0
        for place, heard in script.after_done():
            if self.speed and heard.at > heard_at:
                pause((heard.at - heard_at) / self.speed, stop=stop, sleep=self.sleep)
            if stop.is_set():
                return
            heard_at = heard.at
            match heard.part:
                case ModelError():
                    raise heard.part
                case Finish():
                    yield replace(heard.part, usage=script.share(heard.part.usage))
                    return
                case Chunk(text=text):
                    for number in script.ends_in(place, place + len(text)):
                        receipt.serve(number)
                    yield heard.part
        # Closed or killed in the middle when it was recorded.
        yield Finish("unknown", Usage())


class Script:
    """The text of a recording, its objects, and where to begin. Places are in characters of the text."""

    def __init__(self, recording: Recording, prompt: Prompt) -> None:
        self._recording = recording
        texts = [heard.part.text for heard in recording.parts if isinstance(heard.part, Chunk)]
        self._text = "".join(texts)
        self._objects = list(_objects(self._text))
        self._ends = [end for end, _ in self._objects]
        # A recording of an answer that went on begins where it should already.
        goes_on = recording.heading.asked_sha256 == asked_sha256(prompt)
        self._start = 0 if goes_on else self._after(list(prompt.done))

    def _after(self, done: list[object]) -> int:
        start = 0
        for end, value in self._objects:
            if not done:
                break
            index = next((i for i, known in enumerate(done) if is_same(value, known)), None)  # type: ignore[arg-type]
            if index is not None:
                del done[index]
                start = end
        return start

    def after_done(self) -> Iterator[tuple[int, Heard]]:
        """What is left to say, each with its place; time before it counts as that of the first word."""
        place, skipped = 0, 0.0
        has_begun = False
        first_at = self._recording.parts[0].at if self._recording.parts else 0.0
        for heard in self._recording.parts:
            text = heard.part.text if isinstance(heard.part, Chunk) else ""
            rest = text[max(0, self._start - place) :]
            if isinstance(heard.part, Chunk) and not rest:
                place += len(text)
                continue
            if not has_begun:
                has_begun, skipped = True, heard.at - first_at
            part = Chunk(rest) if isinstance(heard.part, Chunk) else heard.part
            yield place + len(text) - len(rest), Heard(heard.at - skipped, part)
            place += len(text)

    def ends_in(self, start: int, stop: int) -> range:
        """Numbers of the objects whose last character lies in text[start:stop]."""
        return range(bisect_right(self._ends, start), bisect_right(self._ends, stop))

    def share(self, usage: Usage) -> Usage:
        """Of the tokens out, those that were said this time: in proportion to the characters."""
        if not self._start:
            return usage
        said = (len(self._text) - self._start) / len(self._text)
        return replace(usage, tokens_out=round(usage.tokens_out * said))


def _headings(folder: Path) -> Iterator[tuple[Path, Heading]]:
    """Oldest first. A file of a process that was killed before it had written a line is nobody's answer."""
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        with suppress(NotARecording):
            yield path, read_heading(path)


def _objects(text: str) -> Iterator[tuple[int, dict[str, object]]]:
    """Each line that is a JSON object, and the place of its end, the line's end included."""
    end = 0
    for line in text.split("\n"):
        end = min(end + len(line) + 1, len(text))
        if not line.strip().startswith("{"):
            continue
        try:
            yield end, json.loads(line)
        except (ValueError, RecursionError):
            continue
