"""One question to a model, and what it cost so far."""

from dataclasses import dataclass
from decimal import Decimal
from types import TracebackType
from typing import Protocol

from streaming.llm import Finish, Prompt, Usage
from streaming.llm.base import ndjson
from streaming.prices import Price, estimated_tokens
from workflows.engine.budget import Used


@dataclass(frozen=True, kw_only=True)
class Spent:
    """is_priced: the cost is all of it; is_estimated: nobody counted a part of the tokens."""

    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    cost: Decimal = Decimal(0)
    is_priced: bool = True
    is_estimated: bool = False

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(
            tokens_in=self.tokens_in + other.tokens_in,
            tokens_out=self.tokens_out + other.tokens_out,
            tokens_cached=self.tokens_cached + other.tokens_cached,
            cost=self.cost + other.cost,
            is_priced=self.is_priced and other.is_priced,
            is_estimated=self.is_estimated or other.is_estimated,
        )

    @property
    def used(self) -> Used:
        return Used(tokens=self.tokens_in + self.tokens_out, cost=self.cost)


class Listener(Protocol):
    """The meter, as its calls see it."""

    def take_word(self, size: int) -> None: ...
    def close(self, call: "Call", finish: Finish | None) -> None: ...
    def keep(self) -> None: ...


class Call:
    """One question to a model. A `with` block that is left without `finished` ends it: what was heard is an estimate.

    A call that broke off before its first word counts as a call and costs nothing: mostly nobody took it.
    """

    def __init__(
        self,
        listener: Listener,
        model: str,
        price: Price | None,
        *,
        prompt: Prompt | str,
        is_aside: bool = False,
    ) -> None:
        self.model = model
        self.price = price
        self.is_aside = is_aside
        self._listener = listener
        self._size_in = size_of(prompt)
        self._size_out = 0
        self._counted: Usage | None = None
        self._is_over = False

    def heard(self, text: str) -> None:
        """The model wrote `text`. Raises BudgetExceeded, LeaseLost: close the connection and let it pass."""
        size = len(text.encode(errors="replace"))
        self._size_out += size
        self._listener.take_word(size)

    def finished(self, finish: Finish | None) -> None:
        """The answer is over. None: it broke off, or nobody wanted the rest. Raises LeaseLost."""
        self._end(finish)
        self._listener.keep()

    @property
    def spent(self) -> Spent:
        usage = self._counted or self._estimate()
        # A provider's numbers are whatever its server sends.
        tokens = {
            name: max(0, int(getattr(usage, name))) for name in ("tokens_in", "tokens_out", "tokens_cached")
        }
        return Spent(
            **tokens,
            cost=self.price.of(**tokens) if self.price else Decimal(0),
            is_priced=self.price is not None or not usage.tokens_in + usage.tokens_out,
            is_estimated=usage.is_estimated,
        )

    def _estimate(self) -> Usage:
        if self._is_over and not self._size_out:
            return Usage()
        return Usage(
            tokens_in=estimated_tokens(self._size_in),
            tokens_out=estimated_tokens(self._size_out),
            is_estimated=True,
        )

    def _end(self, finish: Finish | None) -> None:
        if not self._is_over:
            self._is_over = True
            if finish is not None and finish.usage.tokens_in + finish.usage.tokens_out:
                self._counted = finish.usage
            self._listener.close(self, finish)

    def __enter__(self) -> "Call":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end(None)  # not saved here: what the attempt comes to is settled with its usage in a moment


def size_of(prompt: Prompt | str) -> int:
    """In bytes of UTF-8."""
    texts = (prompt,) if isinstance(prompt, str) else (prompt.system, prompt.text, ndjson(tuple(prompt.done)))
    return sum(len(text.encode(errors="replace")) for text in texts)
