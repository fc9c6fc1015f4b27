"""What an attempt uses of models: counted while they write, kept while the worker may die, bounded by a budget.

A killed attempt has been paid for all the same, so what it used is saved when a call begins and ends, and in between as
an estimate from what was written.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from outbox.connections import PASSING, drop_broken
from streaming.conf import conf as streaming_conf
from streaming.llm import Finish, Prompt
from streaming.prices import Price, price_of
from workflows.conf import conf
from workflows.definitions import Workflow
from workflows.engine.budget import Limits, Used, limits_of
from workflows.errors import BudgetExceeded
from workflows.execution.calls import Call, Spent
from workflows.states import AttemptKind

logger = logging.getLogger(__name__)

CHECK_BYTES = 256  # 64 tokens: to reckon costs as much as reading them
COST_DIGITS = 9  # a token of the cheapest model costs a few hundred-millionths


class Ledger(Protocol):
    """Where it is kept. `read_used`: by the other attempts of the run. `save_usage` raises LeaseLost."""

    def save_usage(self, usage: dict[str, Any]) -> None: ...
    def read_used(self) -> Used: ...


class Meter:
    """Of one attempt. Its calls may be answered in several threads; only the one that made it touches the database."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        prices: Mapping[str, Price],
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger = ledger
        self._prices = prices
        self._limits = limits or Limits()
        self._clock = clock
        self._thread = threading.get_ident()
        self._lock = threading.Lock()
        self._open: list[Call] = []
        self._closed = Spent()
        self._others = Used()
        self._calls = self._unchecked = 0
        self._model = ""
        self._finish_reason: str | None = None
        self._began = self._kept_at = self._looked_at = 0.0
        self._first_word: float | None = None
        self._first_item: float | None = None
        self._last_item: float | None = None

    def asked(self, model: str, prompt: Prompt | str, *, is_aside: bool = False) -> Call:
        """A model is about to be asked. Raises BudgetExceeded when it must not be, LeaseLost.

        is_aside: beside another question, whose end is the one that is told.
        """
        call = Call(self, model, price_of(model, self._prices), prompt=prompt, is_aside=is_aside)
        if self._limits.are_set:
            self._refuse_without_price(call)
            self._look_at_others()
            self._refuse_beyond_limit(ahead=call)
        with self._lock:
            if not self._calls:
                self._began = self._clock()
            self._calls += 1
            self._model = self._model if is_aside else model
            self._open.append(call)
        self.keep()
        return call

    def item(self) -> None:
        """An item was read from an answer."""
        self._last_item = self._clock() - self._began
        if self._first_item is None:
            self._first_item = self._last_item

    @property
    def usage(self) -> dict[str, Any]:
        """As it is kept with the attempt, docs/usage.md says what each is; empty when no model was asked."""
        with self._lock:
            if not self._calls:
                return {}
            spent = self._spent()
            return {
                "tokens_in": spent.tokens_in,
                "tokens_out": spent.tokens_out,
                "tokens_cached": spent.tokens_cached,
                "cost": float(round(spent.cost, COST_DIGITS)) if spent.is_priced else None,
                "calls": self._calls,
                "model": self._model,
                "finish_reason": self._finish_reason,
                "first_token_seconds": _seconds(self._first_word),
                "first_item_seconds": _seconds(self._first_item),
                "last_item_seconds": _seconds(self._last_item),
                "is_estimated": spent.is_estimated,
            }

    def _spent(self) -> Spent:
        return sum((call.spent for call in self._open), self._closed)

    def take_word(self, size: int) -> None:
        """Somebody heard so many bytes."""
        now = self._clock()
        if self._first_word is None:
            self._first_word = now - self._began
        if now - self._kept_at >= conf().usage_interval_seconds:
            self.keep()
        if self._limits.are_set:
            self._unchecked += size
            is_time_to_look = now - self._looked_at >= conf().budget_interval_seconds
            if is_time_to_look:
                self._look_at_others(patiently=True)
            if is_time_to_look or self._unchecked >= CHECK_BYTES:
                self._refuse_beyond_limit()

    def close(self, call: Call, finish: Finish | None) -> None:
        with self._lock:
            self._closed += call.spent
            self._open.remove(call)
            if not call.is_aside:
                self._finish_reason = finish.reason if finish else None

    def keep(self) -> None:
        """Save it. A database that is away for a moment costs an estimate, not the answer: it is settled at the end."""
        if threading.get_ident() != self._thread:
            return
        self._kept_at = self._clock()
        drop_broken()
        try:
            self._ledger.save_usage(self.usage)
        except PASSING as error:
            logger.warning("usage not saved", extra={"error": type(error).__name__})

    def _look_at_others(self, *, patiently: bool = False) -> None:
        """patiently: while a model writes; a database that is away for a moment is asked again later."""
        if threading.get_ident() != self._thread:
            return
        self._looked_at = self._clock()
        drop_broken()
        try:
            self._others = self._ledger.read_used()
        except PASSING:
            if not patiently:
                raise

    def _refuse_without_price(self, call: Call) -> None:
        if self._limits.cost is not None and call.price is None:
            raise BudgetExceeded(
                f"The model was not asked: a run may cost {self._limits.cost}, and {call.model} has no price. "
                "Add it to LONGHAUL_MODEL_PRICES, then retry the run."
            )

    def _refuse_beyond_limit(self, *, ahead: Call | None = None) -> None:
        with self._lock:
            used = self._others + self._spent().used
        self._unchecked = 0
        met = self._limits.met_by(used + ahead.spent.used if ahead else used)
        if met is None:
            return
        limit, amount = met
        what = (
            f"The model was not asked: with its prompt the run would have used {amount} of {limit}."
            if ahead
            else f"The model was stopped: the run has used {amount} of {limit}. What came before is kept."
        )
        raise BudgetExceeded(f"{what} Raise {limit.source}, then retry the run.")


def meter_of(workflow: Workflow, kind: AttemptKind, ledger: Ledger) -> Meter:
    """A meter by the settings. An undo has no budget: what is half undone because of one would help nobody."""
    models, limits = streaming_conf(), conf()
    budget = limits_of(
        workflow.budget,
        workflow=workflow.name,
        tokens=limits.run_budget_tokens,
        cost=limits.run_budget_cost,
        currency=models.model_prices_currency,
    )
    return Meter(ledger, prices=models.model_prices, limits=None if kind == AttemptKind.UNDO else budget)


def _seconds(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
