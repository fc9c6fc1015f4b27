"""Any model, with what it says written to a file as it is said."""

import logging
import time
from collections.abc import Callable, Generator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from streaming.llm.base import Chunk, Finish, Model, ModelError, Prompt
from streaming.llm.recording import Take, heading
from streaming.llm.stopping import NEVER, Stop

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class RecordingModel:
    """Asks `model` and gives on what it says, as it says it; one file for each answer in `folder`.

    keep_prompts: write the words of the prompt too, not only their hash. A disk that fails costs the recording, not
    the answer.
    """

    model: Model
    folder: Path
    keep_prompts: bool = False
    monotonic: Callable[[], float] = time.monotonic

    @property
    def name(self) -> str:
        return self.model.name

    def stream(self, prompt: Prompt, *, stop: Stop = NEVER) -> Generator[Chunk | Finish, None, None]:
        recorder = Recorder(self, prompt)
        with closing(recorder), closing(self.model.stream(prompt, stop=stop)) as parts:
            while True:
                asked = self.monotonic()
                try:
                    part = next(parts)
                except StopIteration:
                    return
                except ModelError as error:
                    recorder.hear(self.monotonic() - asked, error)
                    raise
                recorder.hear(self.monotonic() - asked, part)
                yield part


class Recorder:
    """The file of one answer, until it is closed or cannot be written."""

    def __init__(self, model: RecordingModel, prompt: Prompt) -> None:
        self._waited = 0.0  # the time that the caller takes is not the model's
        self._take: Take | None = None
        head = heading(model.name, prompt, now=datetime.now(UTC), keep_prompt=model.keep_prompts)
        try:
            self._take = Take(model.folder, head)
        except OSError as error:
            self._give_up(error)

    def hear(self, waited: float, part: Chunk | Finish | ModelError) -> None:
        self._waited += waited
        if self._take is None:
            return
        try:
            self._take.hear(self._waited, part)
        except OSError as error:
            self._give_up(error)

    def close(self) -> None:
        if self._take is not None:
            with suppress(OSError):
                self._take.close()
            self._take = None

    def _give_up(self, error: OSError) -> None:
        self.close()
        logger.warning(
            "an answer is not recorded", extra={"error": type(error).__name__, "errno": error.errno}
        )
