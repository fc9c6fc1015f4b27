"""Waiting: a place in the plan where nothing runs until a person, a service or the time answers."""

from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, TypeAdapter

from workflows.errors import DefinitionError

Answer = TypeVar("Answer")

OnTimeout = Literal["fail", "continue"]


class Wait(Generic[Answer]):
    """One declared wait. `name` is the signal's name and unique in a workflow; `output`: adapter of the answer.

    schema: the model that an answer must fit; None when only the time is awaited, or the answer carries nothing.
    timeout: seconds until nobody answered; then the wait fails, or completes with None.
    """

    def __init__(
        self, name: str, *, schema: type[BaseModel] | None, title: str, timeout: float, on_timeout: OnTimeout
    ) -> None:
        if not name.isidentifier():
            raise DefinitionError(
                f"wait_for({name!r}): a name is letters, digits and _, as a function's would be"
            )
        if timeout <= 0:
            raise DefinitionError(f"wait_for({name!r}): timeout is seconds above 0")
        if on_timeout not in ("fail", "continue"):
            raise DefinitionError(f"wait_for({name!r}): on_timeout is 'fail' or 'continue'")
        self.name = name
        self.schema = schema
        self.title = title
        self.timeout = timeout
        self.on_timeout = on_timeout
        self.output: TypeAdapter[Any] = TypeAdapter(schema if schema is not None else type(None))

    def __repr__(self) -> str:
        return f"<wait {self.name}>"


def wait_for(
    name: str,
    *,
    schema: type[BaseModel] | None = None,
    timeout: float,
    title: str = "",
    on_timeout: OnTimeout = "fail",
) -> Wait[Any]:
    """Wait for a signal: `approval = wait_for("approval", schema=Approval, timeout=86_400)`.

    No worker, lease or attempt is held meanwhile. Later steps read the answer with `ctx.output(approval)`, an instance
    of `schema`. With `on_timeout="continue"` and no schema it is a durable timer.
    """
    return Wait(
        name, schema=schema, title=title or f"Waiting for {name}", timeout=timeout, on_timeout=on_timeout
    )
