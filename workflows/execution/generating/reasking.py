"""One rejected item, asked for once more beside the answer that it belongs to."""

import logging
import threading
import time
from contextlib import closing
from dataclasses import replace
from typing import Generic

from streaming.llm import Finish, Model, Prompt, Stop, Stopper
from streaming.parsers import NdjsonParser, Parsed, Result
from streaming.prompts import reask_prompt, reask_text
from workflows.conf import conf
from workflows.definitions import ReAsk
from workflows.execution.generating.reading import Found, ItemModel, NoItem, Reading, repaired
from workflows.execution.meter import Meter

logger = logging.getLogger(__name__)


class Reasked(Generic[ItemModel]):
    """A call in a thread of its own, which touches nothing but the model and the meter: no row, no context.

    A call that is given up is stopped: the model closes its connection, and the thread ends.
    """

    def __init__(
        self,
        no_item: NoItem,
        *,
        model: Model,
        meter: Meter,
        reading: Reading[ItemModel],
        prompt: Prompt,
        policy: ReAsk,
        stop: Stop,
    ) -> None:
        self.no_item = no_item
        self.found: Found[ItemModel] | None = None
        self.words = 0  # pieces of text so far
        self._model = model
        self._meter = meter
        self._reading = reading
        self._prompt = prompt
        self._policy = policy
        self._panic: BaseException | None = None
        self._has_ended = threading.Event()
        self._stop = Stopper(stop)
        self._gives_up_at = time.monotonic() + conf().reask_timeout_seconds
        threading.Thread(target=self._work, name="longhaul-reask", daemon=True).start()

    @property
    def is_over(self) -> bool:
        return self._has_ended.is_set() or time.monotonic() >= self._gives_up_at

    def wait(self, seconds: float) -> None:
        self._has_ended.wait(min(seconds, max(0.0, self._gives_up_at - time.monotonic())))

    def give_up(self) -> None:
        """Nobody wants it any more."""
        self._stop.set()

    def outcome(self) -> Found[ItemModel] | NoItem:
        """Once it is over: the item, or what was rejected in the first place."""
        self.give_up()
        if self._panic is not None:
            raise self._panic
        # A call that ran out of time may end this very moment; then it is as good as in time.
        return self.found or self.no_item

    def _work(self) -> None:
        try:
            self._ask_on()
        except Exception as error:  # of this one item: the answer goes on
            logger.warning("item not asked for again", extra={"error": type(error).__name__})
        except BaseException as error:
            self._panic = error
        finally:
            self._has_ended.set()

    def _ask_on(self) -> None:
        no_item = self.no_item
        for _ in range(self._policy.times):
            answer = self._ask(no_item)
            if isinstance(answer, Found):
                self.found = answer
                return
            no_item = answer
            if no_item.text is None or self._stop.is_set():
                return

    def _ask(self, no_item: NoItem) -> Found[ItemModel] | NoItem:
        """Exactly one whole item is taken; anything else leaves it as it was."""
        limits = replace(self._reading.limits, max_items=1, max_document_bytes=4 * conf().item_max_bytes)
        parser = NdjsonParser(limits, repair=self._reading.repair)
        results: list[Result] = []
        finish: Finish | None = None
        prompt = self._prompt_for(no_item)
        with (
            self._meter.asked(self._model.name, prompt, is_aside=True) as call,
            closing(self._model.stream(prompt, stop=self._stop)) as stream,
        ):
            for part in stream:
                if isinstance(part, Finish):
                    finish = part
                    call.finished(part)
                    break
                self.words += 1
                call.heard(part.text)
                results += parser.feed(part.text)
                if parser.is_stopped or self._stop.is_set():
                    break
        rest, end = parser.close(truncated=finish is None or finish.reason != "stop")
        match [*results, *rest]:
            case [Parsed() as only] if end.kind == "complete":
                return self._judge(only, no_item.pointer)
        return no_item

    def _judge(self, only: Parsed, pointer: str) -> Found[ItemModel] | NoItem:
        position = self.no_item.rejected.position
        judged = self._reading.check(only.value, position, pointer=pointer)
        if isinstance(judged, NoItem):
            return judged
        mark = repaired("asking", self.no_item.text or "", position)
        return replace(judged, is_repaired=only.repaired, repaired=mark)

    def _prompt_for(self, no_item: NoItem) -> Prompt:
        material = self._prompt.text if self._policy.material else ""
        return Prompt(
            system=reask_prompt(self._reading.items),
            text=reask_text(no_item.text or "", fault=no_item.fault, material=material),
        )
