"""Run a handler: lease in, outcome out. No transaction is open while it works."""

import logging
from collections.abc import Callable, Generator
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from outbox import wire
from outbox.failpoints import failpoint
from streaming.llm import Model
from workflows.conf import conf
from workflows.definitions import Step, registry
from workflows.engine.lease import Lease
from workflows.engine.outcomes import ErrorInfo, Failed, Fenced, Outcome, Stopped, Succeeded
from workflows.engine.storable import NotStorable, storable
from workflows.errors import Fatal, LeaseLost, RetryAfter, RunCancelled, StepError
from workflows.execution.buffer import Flusher, ItemBuffer
from workflows.execution.context import StepContext
from workflows.execution.ports import Records
from workflows.execution.signals import Signals
from workflows.states import AttemptKind

logger = logging.getLogger(__name__)

flusher = Flusher()


def run(
    lease: Lease,
    *,
    records: Records,
    signals: Signals,
    model: Callable[[], Model],
    item_by_item: bool = False,
) -> Outcome:
    """Work on the attempt of `lease` and say what it came to; raises nothing a handler raised.

    signals: the heartbeat's, when the lease is gone or the run is being cancelled. model: what `ctx.generate` asks.
    item_by_item: commit each item as it is yielded; then nothing is written by another thread.
    """
    workflow = registry.find(lease.workflow, version=lease.version)
    step = workflow.step(lease.handler)
    limits = conf()
    buffer = ItemBuffer(
        records.commit_items,
        interval_seconds=limits.flush_interval_seconds,
        max_items=1 if item_by_item else limits.flush_max_items,
        flusher=flusher,
    )
    ctx: StepContext | None = None
    try:
        ctx = StepContext(
            lease,
            workflow=workflow,
            step=step,
            records=records,
            signals=signals,
            buffer=buffer,
            model=model,
        )
        failpoint("workflows.execute.before", lease)
        if lease.kind == AttemptKind.UNDO:
            _undo(ctx, step, records, lease)
            return Succeeded(output=None, usage=ctx.meter.usage)
        return Succeeded(output=_forward(ctx, step, buffer), usage=ctx.meter.usage)
    except LeaseLost as error:
        logger.warning("fenced", extra={**_ids(lease), "why": str(error)})
        return Fenced()
    except RunCancelled:
        logger.info("attempt stopped: its run is being cancelled", extra=_ids(lease))
        return Stopped(usage=ctx.meter.usage if ctx is not None else {})
    except Exception as error:  # a handler may raise anything; it becomes a value here
        usage = ctx.meter.usage if ctx is not None else {}
        return _failed(lease, error, usage)


def _forward(ctx: StepContext, step: Step[Any], buffer: ItemBuffer) -> Any:
    result = step.handler(ctx)
    if step.is_streaming:
        result = _exhaust(ctx, result, buffer)
    output = _dump(step, result)
    ctx.finish()
    return output


def _exhaust(ctx: StepContext, generator: Generator[Any, None, Any], buffer: ItemBuffer) -> Any:
    """Take every item. What was yielded before an error is kept: those items are done."""
    try:
        while True:
            try:
                item = next(generator)
            except StopIteration as end:
                return end.value
            ctx.accept(item)
    finally:
        generator.close()  # closes what the handler holds, the model's connection first
        buffer.flush()


def _undo(ctx: StepContext, step: Step[Any], records: Records, lease: Lease) -> None:
    assert step.undo_handler is not None  # only steps with a compensation are opened for their undo
    stored = records.read_output(lease.step_name)
    output = None if records.outcome_unknown() else step.output.validate_python(stored)
    step.undo_handler(ctx, output)


def _dump(step: Step[Any], result: Any) -> Any:
    """The output as JSON of its annotated type. Raises Fatal when it does not fit, or is too large to be kept."""
    try:
        typed = step.output.validate_python(result)
        output = storable(step.output.dump_python(typed, mode="json", by_alias=True))
    except ValidationError as error:
        detail = f"The step {step.name} returned something else than it declares: {error.errors()[0]['msg']}."
        raise Fatal(detail, code="wrong-output") from None
    except (NotStorable, PydanticSerializationError) as error:
        raise Fatal(f"The output of {step.name} cannot be stored: {error}.", code="not-storable") from None
    size, limit = len(wire.encode(output)), conf().output_max_bytes
    if size > limit:
        raise Fatal(
            f"The output of {step.name} has {size} bytes, the limit is {limit}: "
            "save the bulk to storage and return a reference.",
            code="output-too-large",
        )
    return output


def _failed(lease: Lease, error: Exception, usage: dict[str, Any]) -> Failed:
    name = type(error).__qualname__
    wait = error.seconds if isinstance(error, RetryAfter) else 0.0
    if isinstance(error, StepError):
        info = ErrorInfo(
            code=error.code, detail=_cut(error.detail), retryable=error.retryable, error_class=name
        )
        logger.warning("attempt failed", extra={**_ids(lease), "error_code": error.code})
    else:
        # The exception's own text may quote anything (a prompt, a DSN): people get a sentence, the log the class
        # and the traceback.
        detail = f"The step stopped with an unexpected error ({name})."
        info = ErrorInfo(code="unexpected-error", detail=detail, retryable=True, error_class=name)
        logger.exception("attempt failed unexpectedly", extra=_ids(lease))
    return Failed(error=info, retry_after_seconds=wait, usage=usage)


def _cut(detail: str) -> str:
    return str(storable(detail))[: conf().error_detail_max_chars]


def _ids(lease: Lease) -> dict[str, Any]:
    return {
        "run": str(lease.run_id),
        "step": lease.step_name,
        "attempt": lease.number,
        "kind": str(lease.kind),
    }
