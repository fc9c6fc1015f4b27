"""A step: a plain function with one decorator, frozen at import."""

import inspect
import types
import typing
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypeVar, cast, overload

from pydantic import AliasChoices, BaseModel, TypeAdapter

from workflows.definitions.rejecting import OnRejected, Skip, check_on_rejected
from workflows.errors import DefinitionError

Handler = Callable[..., Any]
Output = TypeVar("Output")
OutputIn = TypeVar("OutputIn")

OnRetry = Literal["keep", "replace", "append"]

DEFAULT_QUEUE = "default"
DEFAULT_TIMEOUT_SECONDS = 300.0


@dataclass(frozen=True, kw_only=True)
class Retry:
    """How often and how patiently a step is tried. `base`, `cap`: seconds, of the full-jitter back-off."""

    attempts: int = 3
    base: float = 1.0
    cap: float = 60.0

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise DefinitionError(
                f"Retry(attempts={self.attempts}): a step is tried at least once, use attempts=1"
            )
        if not 0 < self.base <= self.cap:
            raise DefinitionError(f"Retry(base={self.base}, cap={self.cap}): seconds, 0 < base <= cap")


class Step(Generic[Output]):
    """One declared step. Hashable by identity; `name` is unique inside a workflow.

    timeout, idle_timeout: seconds of one attempt, and of silence (no progress, item or message) inside it.
    items: the model of each yielded object of a streaming step, else None. output: adapter of the returned value;
    element: adapter of its elements, when that is a list. pivot: once it is done, the run only goes forward.
    retry_only: it cannot be undone, and is tried until it succeeds; only `Fatal`, its run's deadline, a cancellation
    and as many lost workers in a row as it has attempts end it before.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        title: str,
        queue: str,
        timeout: float,
        idle_timeout: float | None,
        retry: Retry,
        items: type[BaseModel] | None,
        item_key: str | None,
        on_retry: OnRetry,
        on_rejected: OnRejected,
        pivot: bool,
        retry_only: bool,
    ) -> None:
        self.handler = handler
        self.name: str = handler.__name__
        self.title = title
        self.queue = queue
        self.timeout = timeout
        self.idle_timeout = idle_timeout
        self.retry = retry
        self.items = items
        self.item_key = item_key
        self.on_retry = on_retry
        self.on_rejected = on_rejected
        self.pivot = pivot
        self.retry_only = retry_only
        self.undo_handler: Handler | None = None
        self.is_streaming = inspect.isgeneratorfunction(handler)
        self.output: TypeAdapter[Output] = TypeAdapter(output_type(handler, streaming=self.is_streaming))
        self.element = element_of(output_type(handler, streaming=self.is_streaming))
        _refuse_nonsense(self)

    def undo(self, handler: Handler) -> Handler:
        """Declare the compensation: `handler(ctx, output)`, output None when the step's outcome is unknown."""
        if inspect.iscoroutinefunction(handler):
            raise DefinitionError(
                f"{handler.__name__}: a compensation is a plain function, write def, not async def"
            )
        if inspect.isgeneratorfunction(handler) or inspect.isasyncgenfunction(handler):
            raise DefinitionError(
                f"{handler.__name__}: a compensation yields nothing, it would never run: return"
            )
        if len(inspect.signature(handler).parameters) != 2:
            raise DefinitionError(f"{handler.__name__}: a compensation takes (ctx, output)")
        if self.pivot or self.retry_only:
            raise DefinitionError(
                f"{self.name} is a pivot or retry-only, so it is never undone: drop its undo or the flag"
            )
        if self.undo_handler is not None:
            raise DefinitionError(f"{self.name} has a compensation already: {self.undo_handler.__name__}")
        self.undo_handler = handler
        return handler

    def __repr__(self) -> str:
        return f"<step {self.name}>"


class Declare(Protocol):
    """The decorator: what a generator returns, or a function, is the type of the step's output."""

    @overload
    def __call__(self, handler: Callable[[Any], Generator[Any, None, OutputIn]]) -> Step[OutputIn]: ...
    @overload
    def __call__(self, handler: Callable[[Any], OutputIn]) -> Step[OutputIn]: ...


def step(
    *,
    title: str,
    queue: str = DEFAULT_QUEUE,
    timeout: float = DEFAULT_TIMEOUT_SECONDS,
    idle_timeout: float | None = None,
    retry: Retry | None = None,
    items: type[BaseModel] | None = None,
    item_key: str | None = None,
    on_retry: OnRetry = "keep",
    on_rejected: OnRejected | None = None,
    pivot: bool = False,
    retry_only: bool = False,
) -> Declare:
    """Declare a step. The function's name is the step's name; its return annotation is the output's type.

    title: what people read while it runs. queue: Celery queue. timeout, idle_timeout: seconds.
    item_key: the field of `items` that identifies an item over attempts, else its whole content does.
    on_rejected: what to do with a piece of a model's answer that is no item; Skip() unless told otherwise.
    on_retry: what a further attempt does with the items of those before: "keep" writes none again and, when it began
    from nothing, retracts what it did not yield; "replace" has its own instead; "append" has them and its own.
    pivot: the point of no return; what follows is retry_only: never undone, only tried again, until it succeeds.
    """

    def declare(handler: Handler) -> Step[Any]:
        return Step(
            handler,
            title=title,
            queue=queue,
            timeout=timeout,
            idle_timeout=idle_timeout,
            retry=retry or Retry(),
            items=items,
            item_key=item_key,
            on_retry=on_retry,
            on_rejected=Skip() if on_rejected is None else on_rejected,
            pivot=pivot,
            retry_only=retry_only,
        )

    return cast(Declare, declare)


def output_type(handler: Handler, *, streaming: bool) -> Any:
    """The annotated output of a handler; for a generator the third argument of `Generator[...]`."""
    hints = typing.get_type_hints(handler)
    if "return" not in hints:
        raise DefinitionError(
            f"{handler.__name__}: annotate what it returns, for example -> None or -> Summary"
        )
    hint = hints["return"]
    if not streaming:
        return hint
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Generator and len(args) == 3:
        return args[2]
    if origin is Iterator or origin is types.GeneratorType:
        return type(None)
    raise DefinitionError(
        f"{handler.__name__} yields, so annotate -> Generator[Item, None, Output], or -> Iterator[Item] without output"
    )


def element_of(output: Any) -> TypeAdapter[Any] | None:
    """The adapter of a list's elements; None for an output that is no `list[…]`."""
    if typing.get_origin(output) is list:
        return TypeAdapter(typing.get_args(output)[0])
    return None


def _refuse_nonsense(step: Step[Any]) -> None:
    handler = cast(types.FunctionType, step.handler)
    if inspect.iscoroutinefunction(handler) or inspect.isasyncgenfunction(handler):
        raise DefinitionError(f"{step.name} is async: steps run in Celery workers, write def, not async def")
    if len(inspect.signature(handler).parameters) != 1:
        raise DefinitionError(
            f"{step.name} takes exactly one argument, ctx: read earlier results by ctx.output(step)"
        )
    if step.timeout <= 0 or (step.idle_timeout is not None and step.idle_timeout <= 0):
        raise DefinitionError(f"{step.name}: timeout and idle_timeout are seconds above 0")
    if step.pivot and step.retry_only:
        raise DefinitionError(
            f"{step.name}: a pivot may fail and be given up, a retry-only step may not: choose"
        )
    _refuse_items(step)
    check_on_rejected(step.name, step.on_rejected, is_streaming=step.is_streaming)
    if step.on_retry not in typing.get_args(OnRetry):
        known = ", ".join(typing.get_args(OnRetry))
        raise DefinitionError(f"{step.name}: on_retry={step.on_retry!r} is none of {known}")
    if step.on_retry != "keep" and step.items is None:
        raise DefinitionError(f"{step.name}: on_retry={step.on_retry!r} is about items, and it yields none")


def _refuse_items(step: Step[Any]) -> None:
    if step.items is not None and not step.is_streaming:
        raise DefinitionError(f"{step.name} declares items={step.items.__name__} but never yields one")
    if step.items is None and step.is_streaming:
        raise DefinitionError(f"{step.name} yields: declare the model of its items, @step(items=Finding)")
    if step.item_key is not None and (step.items is None or step.item_key not in step.items.model_fields):
        raise DefinitionError(f"{step.name}: item_key={step.item_key!r} is no field of its items")
    if step.items is not None:
        _refuse_unreadable(step.name, step.items, step.item_key)


def _refuse_unreadable(step_name: str, items: type[BaseModel], item_key: str | None) -> None:
    """Items are stored under the aliases of their fields, and read again as their model: by `ctx.items`, for one."""
    for name, field in items.model_fields.items():
        stored = field.serialization_alias or name
        if stored not in _names_read(items, name):
            raise DefinitionError(
                f"{step_name}: {items.__name__}.{name} is stored as {stored}, but not read under that name: "
                "give it one alias for both, Field(alias=…)"
            )
        if field.exclude and name == item_key:
            raise DefinitionError(
                f"{step_name}: item_key={name!r} is not stored, since the field is excluded: take another"
            )


def _names_read(items: type[BaseModel], name: str) -> set[str]:
    """The keys of an object in which a model looks for the field."""
    alias = items.model_fields[name].validation_alias
    choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
    takes_names = any(items.model_config.get(way) for way in ("populate_by_name", "validate_by_name"))
    by_name = {name} if alias is None or takes_names else set()
    return by_name | {choice for choice in choices if isinstance(choice, str)}


__all__ = ["DEFAULT_QUEUE", "OnRetry", "Retry", "Step", "element_of", "output_type", "step"]
