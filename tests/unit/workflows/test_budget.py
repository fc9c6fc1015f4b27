"""Which limit holds, and whether it is met."""

from decimal import Decimal
from typing import Any

import pytest

from workflows.definitions import Budget
from workflows.engine.budget import Limits, Used, limits_of, shown
from workflows.errors import DefinitionError


def limits(budget: Budget | None = None, *, tokens: int = 0, cost: str = "0") -> Limits:
    return limits_of(budget, workflow="analysis", tokens=tokens, cost=Decimal(cost), currency="EUR")


def test_without_any_there_is_none() -> None:
    assert limits() == Limits()
    assert not limits().are_set
    assert limits().met_by(Used(tokens=10**12, cost=Decimal(10**6))) is None


def test_the_smaller_of_two_holds_and_says_where_it_is_raised() -> None:
    both = limits(Budget(tokens=500, cost=0.25), tokens=300, cost="0.5")
    assert both.tokens is not None
    assert both.cost is not None
    assert (str(both.tokens), both.tokens.source) == ("300 tokens", "LONGHAUL_RUN_BUDGET_TOKENS")
    assert (str(both.cost), both.cost.source) == ("0.25 EUR", "the budget of workflow analysis")


def test_either_is_enough() -> None:
    assert limits(Budget(tokens=500)).cost is None
    assert str(limits(Budget(tokens=500), cost="2").cost) == "2 EUR"


def test_a_limit_is_met_when_it_is_spent() -> None:
    both = limits(Budget(tokens=500, cost=0.3))
    assert both.met_by(Used(tokens=499, cost=Decimal("0.29"))) is None
    assert both.met_by(Used(tokens=500)) == (both.tokens, "500")
    assert both.met_by(Used(cost=Decimal("0.1") + Decimal("0.2"))) == (both.cost, "0.3")


@pytest.mark.parametrize(
    ("amount", "text"), [("12000", "12,000"), ("0.03125", "0.0312"), ("100", "100"), ("0", "0")]
)
def test_amounts_are_shown_as_people_write_them(amount: str, text: str) -> None:
    assert shown(Decimal(amount)) == text


@pytest.mark.parametrize(
    "given", [{}, {"tokens": 0}, {"cost": -1}, {"cost": float("nan")}, {"tokens": 5, "cost": 0}]
)
def test_a_budget_that_makes_no_sense_is_refused_at_import(given: dict[str, Any]) -> None:
    with pytest.raises(DefinitionError, match="above 0"):
        Budget(**given)
