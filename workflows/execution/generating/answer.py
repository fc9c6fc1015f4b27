"""A model's answer as validated items, from the first question to its end, however often it has to be asked."""

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Generic, Protocol

from pydantic import BaseModel

from streaming.llm import Chunk, Finish, Model, ModelError, Prompt, Stop, Stopper
from streaming.parsers import AutoParser, NdjsonParser, Parser, Reason, Rejected, Result
from workflows.conf import conf
from workflows.engine.items import RejectedItem, Repaired
from workflows.errors import BudgetExceeded, Truncated
from workflows.execution.generating.aside import beside
from workflows.execution.generating.done import Done
from workflows.execution.generating.ending import Ending, Generated
from workflows.execution.generating.faults import fault_of, in_our_words
from workflows.execution.generating.holding import Holding
from workflows.execution.generating.reading import Found, ItemModel, NoItem, Reading
from workflows.execution.generating.reasking import Reasked
from workflows.execution.generating.rejections import Rejections
from workflows.execution.half import HalfItem, NoHalfItem
from workflows.execution.meter import Meter

ENDING = (Reason.TOO_MANY_ITEMS, Reason.DOCUMENT_TOO_LONG)


class Listener(Protocol):
    """The attempt that a model writes for, as far as the answer concerns it."""

    meter: Meter
    repaired: Repaired | None  # of the item that is being given, for what its handler makes of it

    @property
    def stop_signal(self) -> Stop:
        """Set once its work is no longer wanted."""

    def check_cancelled(self) -> None: ...
    def note_activity(self) -> None: ...
    def reject(self, rejected: RejectedItem) -> None: ...
    def half_item(self, parser: Parser, items: type[BaseModel]) -> HalfItem | NoHalfItem: ...
    def go_on(self) -> None:
        """The model is asked to go on: what it gave so far is durable now, and may come again."""


class Answer(Generic[ItemModel]):
    """One answer to one prompt; `give` may be called once."""

    def __init__(
        self,
        ctx: Listener,
        model: Model,
        prompt: Prompt,
        *,
        reading: Reading[ItemModel],
        rejections: Rejections,
    ) -> None:
        """prompt.done: what the model is not to write again, from earlier attempts too."""
        self._ctx = ctx
        self._model = model
        self._prompt = prompt
        self._reading = reading
        self._rejections = rejections
        self._holding = Holding[ItemModel](tick=self._tick)
        self._done = Done(prompt.done)
        self._cut: NoItem | None = None
        self._is_too_large = False
        self._items = self._rejected = self._repaired = self._reasked = self._calls = 0

    def give(self) -> Generator[ItemModel, None, Generated]:
        """Yield each item as it closes, so that it is stored and shown while the model writes the next one.

        An answer that was cut is gone on with. Raises Truncated when that does not bring its end, RetryAfter,
        Retryable or Fatal for what else may be wrong with it; what was yielded before is good.
        """
        try:
            ending = yield from self._ask()
            # A call that brought nothing new ends it: the next one would be the same question.
            while ending.may_go_on and self._done.has_news and self._calls <= conf().model_max_continuations:
                self._ctx.go_on()
                ending = yield from self._ask()
        finally:
            self._holding.close()
        self._refuse(ending)
        return Generated(
            finish_reason=ending.finish.reason if ending.finish else "stop",
            rejected=self._rejected,
            items=self._items,
            repaired=self._repaired,
            reasked=self._reasked,
            calls=self._calls,
        )

    def _ask(self) -> Generator[ItemModel, None, Ending]:
        """One call, read to its end."""
        self._calls += 1
        self._done.begin_call()
        self._cut = None
        parser = self._reading.parser()
        finish: Finish | None = None
        fault: ModelError | BudgetExceeded | None = None
        try:
            finish = yield from self._read(parser)
        except (ModelError, BudgetExceeded) as error:
            fault = error
        if finish is None:
            self._ctx.check_cancelled()  # it may be that nobody let it come to its end
        was_cut = finish is None or finish.reason != "stop"
        rest, end = parser.close(truncated=was_cut and not parser.is_stopped)
        yield from self._take(rest, parser)
        # Before anything is raised: what is held behind an item that is asked for again has been paid for.
        yield from self._release(everything=True)
        if isinstance(fault, ModelError):
            raise in_our_words(fault) from fault
        if fault is not None:
            raise fault
        return Ending(end=end, finish=finish)

    def _read(self, parser: NdjsonParser | AutoParser) -> Generator[ItemModel, None, Finish | None]:
        """While the caller works on an item the stream is not read: a slow database slows the model down."""
        prompt, stop = replace(self._prompt, done=self._done.told()), Stopper(self._ctx.stop_signal)
        half = self._ctx.half_item(parser, self._reading.items)
        with (
            self._ctx.meter.asked(self._model.name, prompt) as call,
            closing(self._model.stream(prompt, stop=stop)) as stream,
        ):
            while part := (yield from self._next(stream, stop)):
                if isinstance(part, Finish):
                    call.finished(part)
                    return part
                self._ctx.note_activity()
                call.heard(part.text)
                results = parser.feed(part.text)
                # What was asked for again may have come too; most pieces of text bring neither.
                if results or not self._holding.is_empty:
                    yield from self._take(results, parser)
                half.follow(part.text)
                if parser.is_stopped:
                    break
        return None

    def _next(
        self, stream: Generator[Chunk | Finish, None, None], stop: Stopper
    ) -> Generator[ItemModel, None, Chunk | Finish | None]:
        """What the model says next; None: nothing more. What comes right while it is silent is given meanwhile."""
        if self._holding.is_empty:
            return next(stream, None)
        return (yield from beside(lambda: next(stream, None), meanwhile=self._meanwhile, stop=stop))

    def _meanwhile(self) -> Iterator[ItemModel]:
        self._holding.listen()
        yield from self._release()

    def _take(self, results: Iterable[Result], parser: NdjsonParser | AutoParser) -> Iterator[ItemModel]:
        is_document = isinstance(parser, AutoParser) and bool(parser.is_document)
        for result in results:
            self._is_too_large |= isinstance(result, Rejected) and result.reason in ENDING
            piece = self._reading.judge(result, is_document=is_document)
            if isinstance(piece, NoItem) and piece.is_cut:
                self._cut = piece  # no verdict yet: the model may write it again
                continue
            self._holding.add(self._ask_again(piece) if isinstance(piece, NoItem) else piece)
            yield from self._release()
        yield from self._release()

    def _ask_again(self, no_item: NoItem) -> NoItem | Reasked[ItemModel]:
        policy = self._rejections.reask() if no_item.text is not None else None
        if policy is None:
            return no_item
        return Reasked(
            no_item,
            model=self._model,
            meter=self._ctx.meter,
            reading=self._reading,
            prompt=self._prompt,
            policy=policy,
            stop=self._ctx.stop_signal,
        )

    def _release(self, *, everything: bool = False) -> Iterator[ItemModel]:
        for piece in self._holding.take(everything=everything):
            if isinstance(piece, Reasked):
                outcome = piece.outcome()
                self._reasked += isinstance(outcome, Found)
            else:
                outcome = piece
            if isinstance(outcome, NoItem):
                self._reject(outcome)
            else:
                yield from self._hand_out(outcome)

    def _hand_out(self, found: Found[ItemModel]) -> Iterator[ItemModel]:
        self._ctx.meter.item()
        # By time, not by identity: a handler may yield another item made of this one.
        self._ctx.repaired = found.repaired
        try:
            yield found.item
        finally:
            self._ctx.repaired = None
        self._note(found)

    def _reject(self, no_item: NoItem) -> None:
        self._ctx.reject(no_item.rejected)
        self._rejected += 1
        self._rejections.add()

    def _note(self, found: Found[ItemModel]) -> None:
        """The caller has taken it. From here on the model is told that it is done."""
        self._items += 1
        self._repaired += found.is_repaired
        self._done.add(found.value)

    def _tick(self, has_spoken: bool) -> None:
        if has_spoken:
            self._ctx.note_activity()
        else:
            self._ctx.check_cancelled()

    def _refuse(self, ending: Ending) -> None:
        fault = fault_of(ending.end, ending.finish, is_too_large=self._is_too_large, calls=self._calls)
        if fault is None:
            return
        if isinstance(fault, Truncated) and self._cut is not None:
            self._ctx.reject(self._cut.rejected)
        raise fault
