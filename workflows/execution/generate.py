"""A model's answer, line by line, as validated items."""

from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from outbox import wire
from streaming.conf import conf as streaming_conf
from streaming.llm import Finish, Model, ModelRefused, ModelUnavailable, Prompt
from streaming.parsers import End, NdjsonParser, Parsed, Parser, Result
from workflows.conf import conf
from workflows.engine.items import RejectedItem
from workflows.engine.storable import storable
from workflows.errors import Fatal, Retryable, RetryAfter
from workflows.execution.half import HalfItem, NoHalfItem

ItemModel = TypeVar("ItemModel", bound=BaseModel)


class Listener(Protocol):
    """The attempt that a model writes for, as far as the answer concerns it."""

    usage: dict[str, int]

    def note_activity(self) -> None: ...
    def half_item(self, parser: Parser, items: type[BaseModel]) -> HalfItem | NoHalfItem: ...
    def reject(self, rejected: RejectedItem) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Generated:
    """How an answer ended: finish_reason as the provider said it, and how many pieces of it were no items."""

    finish_reason: str
    rejected: int


def generate(
    ctx: Listener,
    model: Model,
    prompt: Prompt,
    *,
    items: type[ItemModel],
    done: tuple[Mapping[str, Any], ...],
) -> Generator[ItemModel, None, Generated]:
    """Yield each item as its line closes, so that it is stored and shown while the model writes the next one.

    An answer that was cut raises Retryable after its last whole item: the next attempt goes on from there.
    """
    parser = NdjsonParser(streaming_conf().parser_limits())
    half = ctx.half_item(parser, items)
    finish: Finish | None = None
    rejected = 0
    with _model_faults(), closing(model.stream(replace(prompt, done=(*prompt.done, *done)))) as stream:
        for part in stream:
            if isinstance(part, Finish):
                finish = part
                break
            ctx.note_activity()
            rejected += yield from _take(ctx, parser.feed(part.text), items)
            half.follow(part.text)
            if parser.is_stopped:
                break
    was_cut = finish is None or finish.reason != "stop"
    rest, end = parser.close(truncated=was_cut and not parser.is_stopped)
    rejected += yield from _take(ctx, rest, items)
    if finish is not None:
        ctx.usage = {
            "tokens_in": int(finish.usage.tokens_in),
            "tokens_out": int(finish.usage.tokens_out),
        }
    _refuse_incomplete(end, finish)
    return Generated(finish_reason=finish.reason if finish else "stop", rejected=rejected)


def _take(
    ctx: Listener, results: Iterable[Result], items: type[ItemModel]
) -> Generator[ItemModel, None, int]:
    """Yield the valid ones, announce the others. Returns how many others there were."""
    rejected = 0
    for result in results:
        item = _validate(result, items)
        if isinstance(item, RejectedItem):
            ctx.reject(item)
            rejected += 1
        else:
            yield item
    return rejected


def _validate(result: Result, items: type[ItemModel]) -> ItemModel | RejectedItem:
    """The item that a piece of the answer is, or why it is none."""
    if not isinstance(result, Parsed):
        return _rejection(result.position.offset, str(result.reason), result.raw, result.size)
    encoded = wire.encode(result.value)
    if len(encoded) > conf().item_max_bytes:
        return _rejection(result.position.offset, "too_large", encoded.decode(), len(encoded))
    try:
        return items.model_validate(result.value)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in fault["loc"])
        reason = f"schema: {where}: {fault['msg']}"
        return _rejection(result.position.offset, reason, encoded.decode(), len(encoded))


def _rejection(position: int, reason: str, raw: str, size: int) -> RejectedItem:
    limits = conf()
    return RejectedItem(
        position=position,
        reason=storable(reason)[: limits.rejected_reason_max_chars],
        raw=storable(raw).encode()[: limits.rejected_raw_max_bytes].decode(errors="ignore"),
        raw_size=size,
    )


def _refuse_incomplete(end: End, finish: Finish | None) -> None:
    match end.kind:
        case "truncated":
            why = (
                "at its length limit"
                if finish is not None and finish.reason == "length"
                else "before its end"
            )
            raise Retryable(
                f"The model's answer was cut {why}; what came before is kept.", code="truncated-answer"
            )
        case "invalid":
            raise Retryable("The model's answer held nothing that could be read.", code="unreadable-answer")


@contextmanager
def _model_faults() -> Iterator[None]:
    """A vendor's fault in the engine's words: whether a retry helps, and when."""
    try:
        yield
    except ModelUnavailable as error:
        if error.retry_after_seconds is None:
            raise Retryable(str(error), code="model-unavailable") from error
        raise RetryAfter(str(error), seconds=error.retry_after_seconds, code="model-unavailable") from error
    except ModelRefused as error:
        raise Fatal(str(error), code="model-refused") from error
