"""What a service does on events: its consumers, and how they are found. The machinery is `outbox.consuming`.

# consumers.py of any installed app; found like admin.py
@consumer("invoices", types={"step.completed"})
def add_line(event: Event) -> None:
    Line.objects.create(run=event.stream, step=event.envelope["step"])

$ manage.py consume invoices
"""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol, TypeVar, get_args
from uuid import UUID

Start = Literal["beginning", "now"]

_NAME = re.compile(r"[a-z][a-z0-9_.-]{0,63}")


class ConsumerError(ValueError):
    """A consumer is defined in a way that cannot work; the text says what to change."""


class UnknownConsumer(LookupError):
    """No consumer of this name is known to this process."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """One event of one stream. `envelope` is the public form: `type`, `seq`, `time`, `data` and headers (`step`)."""

    stream: UUID  # the run
    seq: int  # 1, 2, 3 … of this stream
    epoch: int
    id: UUID  # the same in every copy of the event
    type: str
    audience: str  # who may see it: public, member or operator
    envelope: dict[str, Any]

    @property
    def data(self) -> dict[str, Any]:
        data: dict[str, Any] = self.envelope["data"]
        return data


@dataclass(frozen=True, kw_only=True)
class Restored:
    """The log was restored to an earlier point: events of `stream` that had their effect may be in it no more."""

    stream: UUID
    epoch: int  # of the log from now on
    applied: int  # the last seq of the former epoch that had its effect
    head: int  # what was applied above it is not in the log any more


@dataclass(frozen=True, kw_only=True)
class Head:
    """How far the log of one stream goes."""

    stream: UUID
    epoch: int
    seq: int


class Log(Protocol):
    """Where a consumer reads what the firehose did not bring. `outbox.consuming.logs` has two.

    Called outside transactions. What it raises passes for trouble of the moment if it is an OSError, an error of redis
    or one of the database: the consumer waits and asks again.
    """

    def head(self, stream: UUID) -> Head | None:
        """None: the stream is not there (any more), or nobody can say; a gap in it is then passed over."""

    def heads(
        self, *, shards: Collection[int], since: datetime | None, after: UUID | None, limit: int
    ) -> Sequence[Head]:
        """A page of streams with a key above `after`, in the order of keys; empty: that was the last.

        `since`: only streams with entries written since then. A log that cannot list its streams answers with an empty
        page; its consumers then notice a loss at the next event of the same stream, not before.
        """

    def strangers(self, events: Collection[Event]) -> Collection[UUID]:
        """The ids of those among `events` that do not belong to the log: of a history that ended when it was restored,
        or of a run that was erased. They are dropped. Called for each batch of a firehose; a log that cannot say so at
        once answers with nothing.
        """

    def entries(self, stream: UUID, *, epoch: int, after: int, limit: int) -> Sequence[Event]:
        """Events with a seq above `after`, ascending, in the stream's present epoch (which is `epoch`, as far as the
        consumer knows). What is not among them is gone, or not for this consumer: it is passed over. Only an empty page
        is the end.
        """


Handler = Callable[[Event], None]
HandlerT = TypeVar("HandlerT", bound=Handler)


@dataclass(frozen=True, kw_only=True)
class Consumer:
    """A handler and what it wants to hear of.

    handler: called inside the transaction that also says that the event was applied: what it writes to the default
        database happens once for each event. It must not use the network, and be done within seconds.
    types: event types; None for all.
    start: what a new consumer does with the past. `beginning`: all that the log has. `now`: events whose `time` is not
        before the consumer ran for the first time; it is set before the commit, by the writer's clock.
    on_restored: called in the commit in which a stream's new epoch is noted.
    log: None for the tables of the outbox in the default database.
    """

    name: str
    handler: Handler
    types: frozenset[str] | None = None
    start: Start = "beginning"
    on_restored: Callable[[Restored], None] | None = None
    log: Log | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ConsumerError(
                f"a consumer's name is up to 64 of a-z 0-9 _ . - and begins with a letter, not {self.name!r}"
            )
        if self.types is not None and not self.types:
            raise ConsumerError(
                f"consumer {self.name}: types is a set such as {{'step.completed'}}, or None for all"
            )
        if self.start not in get_args(Start):
            raise ConsumerError(f"consumer {self.name}: start is 'beginning' or 'now', not {self.start!r}")

    @property
    def role(self) -> str:
        """Of its leases."""
        return f"consumer:{self.name}"


_known: dict[str, Consumer] = {}


def consumer(
    name: str,
    *,
    types: Iterable[str] | None = None,
    start: Start = "beginning",
    on_restored: Callable[[Restored], None] | None = None,
    log: Log | None = None,
) -> Callable[[HandlerT], HandlerT]:
    """Register the function below as a handler; it stays a plain function. See `Consumer` for the arguments."""
    if isinstance(types, str):
        raise ConsumerError(f"consumer {name}: types is a set, {{{types!r}}}, not one text")
    wanted = None if types is None else frozenset(types)

    def decorate(handler: HandlerT) -> HandlerT:
        register(
            Consumer(name=name, handler=handler, types=wanted, start=start, on_restored=on_restored, log=log)
        )
        return handler

    return decorate


def register(consumer: Consumer) -> None:
    if consumer.name in _known:
        raise ConsumerError(f"two consumers are called {consumer.name}: their inboxes would mix")
    _known[consumer.name] = consumer


def forget(name: str) -> None:
    """Remove a consumer that a test registered."""
    _known.pop(name, None)


def find(name: str) -> Consumer:
    """Raises UnknownConsumer."""
    if name not in _known:
        raise UnknownConsumer(f"there is no consumer {name!r} here; known are {', '.join(names()) or 'none'}")
    return _known[name]


def names() -> list[str]:
    return sorted(_known)
