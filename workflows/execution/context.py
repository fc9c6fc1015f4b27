"""`ctx`: what a handler sees of its run."""

import hashlib
import itertools
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from typing import Any, TypeVar, overload
from uuid import UUID

from pydantic import BaseModel

from streaming.llm import Model, Prompt, Stop
from streaming.parsers import Parser
from workflows.conf import conf
from workflows.definitions import Step, Wait, Workflow
from workflows.engine.items import NewItem, RejectedItem, Repaired, policy_for
from workflows.engine.lease import Lease
from workflows.engine.overlap import Overlap
from workflows.engine.storable import storable
from workflows.execution.buffer import ItemBuffer
from workflows.execution.generating import Answer, Generated, Reading, Rejections
from workflows.execution.half import HalfItem, NoHalfItem
from workflows.execution.meter import meter_of
from workflows.execution.ports import Records
from workflows.execution.progress import Progress
from workflows.execution.signals import Signals
from workflows.execution.taking import new_item
from workflows.states import AttemptKind

Output = TypeVar("Output")
ItemModel = TypeVar("ItemModel", bound=BaseModel)


class StepContext:
    """The run as one attempt of one step may see and change it. Each call is a point where it is noticed that the
    lease was lost (LeaseLost) or the run is being cancelled (RunCancelled): clean up and let the exception pass.
    """

    def __init__(
        self,
        lease: Lease,
        *,
        workflow: Workflow,
        step: Step[Any],
        records: Records,
        signals: Signals,
        buffer: ItemBuffer,
        model: Callable[[], Model],
    ) -> None:
        self._lease = lease
        self._workflow = workflow
        self._step = step
        self._records = records
        self._signals = signals
        self._buffer = buffer
        self._model = model
        self._input: BaseModel | None = None
        self._progress = Progress(records)
        self._activity_noted = time.monotonic()
        earlier = records.read_items(step.name) if step.items and lease.number > 1 else []
        self._policy = policy_for(step.on_retry, earlier)
        self._overlap = Overlap()
        self._rejections = Rejections(step.on_rejected)
        self._next_index = records.read_next_index() if step.items and lease.number > 1 else 0
        self._revisions = itertools.count(1)
        self._half: HalfItem | NoHalfItem = NoHalfItem()
        self.repaired: Repaired | None = None
        self.meter = meter_of(workflow, lease.kind, records)

    @property
    def run_id(self) -> UUID:
        return self._lease.run_id

    @property
    def step_name(self) -> str:
        return self._lease.step_name

    @property
    def attempt(self) -> int:
        """Number of this attempt, from 1."""
        return self._lease.number

    @property
    def idempotency_key(self) -> str:
        """64 hex digits for the services that a step calls: stable over its attempts, another one for its undo."""
        return hashlib.sha256(f"{self.run_id}/{self.step_name}/{self._lease.kind}".encode()).hexdigest()

    @property
    def input(self) -> Any:
        """The run's input as the workflow's input model."""
        if self._input is None:
            self._input = self._workflow.input.model_validate(self._records.read_input())
        return self._input

    @overload
    def output(self, step: Step[Output]) -> Output: ...
    @overload
    def output(self, step: Wait[Any]) -> Any: ...

    def output(self, step: Step[Any] | Wait[Any]) -> Any:
        """What an earlier step returned, typed by its annotation, or what a wait was answered with (None: nothing).

        Raises LookupError while it has not completed, StoredValueLost when a large output is gone from the storage.
        """
        self.check_cancelled()
        value = self._records.read_output(step.name)
        if value is None and isinstance(step, Wait):  # skipped, or its time ran out
            return None
        return step.output.validate_python(value)

    @property
    def item(self) -> Any:
        """What this part of a fan-out works on: an instance of the items model, or an element of the list."""
        source, value = self._records.read_item()
        over = self._workflow.step(source)
        if over.items is not None:
            return over.items.model_validate(value)
        assert over.element is not None  # fan_out() takes nothing else
        return over.element.validate_python(value)

    def outputs(self, step: Step[Output]) -> list[Output]:
        """What all parts of a fan-out returned, in the order of its items. Raises LookupError while it is not done."""
        self.check_cancelled()
        return [step.output.validate_python(value) for value in self._records.read_outputs(step.name)]

    def items(self, step: Step[Any]) -> list[Any]:
        """The committed items of a streaming step in order, as its items model; also of this step, on a retry.

        An attempt that asked for its own step's earlier ones did not begin from nothing: none of them is retracted.
        """
        self.check_cancelled()
        if step.items is None:
            raise LookupError(f"step {step.name} streams no items: declare @step(items=…)")
        if step.name == self.step_name:
            self.flush()
            self._policy.tell()  # who knows what is there may go on after it, and count it in
        return [step.items.model_validate(item.value) for item in self._records.read_items(step.name)]

    def say(self, template: str, **params: Any) -> None:
        """Tell those who watch what is being done: `ctx.say("Reading page {page} of {pages}", page=3, pages=9)`."""
        self.check_cancelled()
        self._buffer.flush()  # what is told after an item appears after it
        self._records.say(template, storable(params))

    def progress(self, done: float, total: float | None = None, unit: str = "") -> None:
        """Say how far the step is, in units of work. Shown live; saved at most once a second, and at the end."""
        self.check_cancelled()
        self._progress.tell(done, total, unit)

    def flush(self) -> None:
        """Return when every item yielded so far is durable."""
        self.check_cancelled()
        self._buffer.flush()

    def check_cancelled(self) -> None:
        """Raise when the work is no longer wanted: LeaseLost, nothing more can be written; or RunCancelled."""
        self._signals.check(self.step_name)

    @property
    def stop_signal(self) -> Stop:
        """The same for another thread to ask, while this one waits: `ctx.stop_signal.is_set()`."""
        return self._signals

    def note_activity(self) -> None:
        """Something is coming, though no item is whole yet: it counts for the idle limit, every few seconds."""
        self.check_cancelled()
        now = time.monotonic()
        if (
            self._step.idle_timeout is not None
            and now - self._activity_noted >= conf().activity_interval_seconds
        ):
            self._records.touch()
            self._activity_noted = now

    def generate(
        self,
        prompt: Prompt,
        *,
        items: type[ItemModel],
        paths: Sequence[str | Sequence[str]] = (),
        document: type[BaseModel] | None = None,
        repair: bool = False,
        resume: bool = True,
    ) -> Generator[ItemModel, None, Generated]:
        """Stream a model's answer as validated items: `result = yield from ctx.generate(prompt, items=Finding)`.

        paths: where items stand in a document, such as `findings.item`, for answers that come as one; those that come
        as lines are read too. document: the model of that document, which structured output holds the answer to.
        repair: mend what is almost JSON. resume: tell the model what earlier attempts committed, if the step keeps it,
        so that it goes on after that; False: it starts from nothing. A piece that is no item is announced to operators
        and meets the step's `on_rejected`. Raises Truncated, RetryAfter, Retryable or Fatal for the model's faults.
        """
        done = tuple(item.value for item in self._policy.tell()) if resume else ()
        where = (paths,) if isinstance(paths, str) else paths
        reading = Reading(items=items, paths=where, document=document, repair=repair)
        answer = Answer(
            self,
            self._model(),
            replace(prompt, done=(*prompt.done, *done), schema=reading.schema or prompt.schema),
            reading=reading,
            rejections=self._rejections,
        )
        self._overlap.begin()
        try:
            return (yield from answer.give())
        finally:
            self._half.end()
            self._overlap.end()

    def go_on(self) -> None:
        """The model is asked to go on with a cut answer: what it gave is durable now, and may come once more."""
        self.flush()
        self._overlap.go_on(self._records.read_items(self.step_name))

    def accept(self, item: Any) -> None:
        """Take a yielded item: validate, drop what an earlier attempt committed, and hand it to the buffer."""
        self.check_cancelled()
        new = new_item(item, self._step, repaired=self.repaired)
        changes = self._overlap.admit(new)
        if changes == [new]:
            self._overlap.note(new)
            changes = self._policy.admit(new)
        if changes:
            self._next_index += sum(isinstance(change, NewItem) for change in changes)
            self._buffer.add(*changes)

    def finish(self) -> None:
        """The body has ended well: write what that means for the items of earlier attempts."""
        for change in self._policy.finish():
            self._buffer.add(change)
        self._buffer.flush()

    def half_item(self, parser: Parser, items: type[BaseModel]) -> HalfItem | NoHalfItem:
        """Who shows what is half written in an answer, if its objects are items of this step. Ends the one before."""
        self._half.end()
        self._half = NoHalfItem()
        is_forward = self._lease.kind == AttemptKind.FORWARD
        if self._step.items is items and is_forward and conf().partial_max_bytes:
            self._half = HalfItem(
                parser, self._records, next_index=lambda: self._next_index, revisions=self._revisions
            )
        return self._half

    def reject(self, rejected: RejectedItem) -> None:
        """Announce something that was to be an item and is none."""
        self._buffer.add(rejected)
