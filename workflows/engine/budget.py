"""Whether a run may go on asking models. Pure."""

from dataclasses import dataclass
from decimal import Decimal

from workflows.definitions import Budget


@dataclass(frozen=True, kw_only=True)
class Used:
    """Tokens read and written, and what is known of their cost."""

    tokens: int = 0
    cost: Decimal = Decimal(0)

    def __add__(self, other: "Used") -> "Used":
        return Used(tokens=self.tokens + other.tokens, cost=self.cost + other.cost)


@dataclass(frozen=True, kw_only=True)
class Limit:
    """amount: of `unit`, "tokens" or a currency. source: where it is raised."""

    amount: Decimal
    unit: str
    source: str

    def __str__(self) -> str:
        return f"{shown(self.amount)} {self.unit}"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """None: as much as it takes."""

    tokens: Limit | None = None
    cost: Limit | None = None

    @property
    def are_set(self) -> bool:
        return self.tokens is not None or self.cost is not None

    def met_by(self, used: Used) -> tuple[Limit, str] | None:
        """The first limit that is spent, and how much was used of it."""
        for limit, amount in ((self.tokens, Decimal(used.tokens)), (self.cost, used.cost)):
            if limit is not None and amount >= limit.amount:
                return limit, shown(amount)
        return None


def limits_of(budget: Budget | None, *, workflow: str, tokens: int, cost: Decimal, currency: str) -> Limits:
    """The smaller of what the workflow declares and what the settings say; there, 0 is no limit."""
    own = f"the budget of workflow {workflow}"
    declared = budget or None
    return Limits(
        tokens=_smaller(
            _limit(declared and declared.tokens, "tokens", own),
            _limit(tokens, "tokens", "LONGHAUL_RUN_BUDGET_TOKENS"),
        ),
        cost=_smaller(
            _limit(declared and declared.cost, currency, own),
            _limit(cost, currency, "LONGHAUL_RUN_BUDGET_COST"),
        ),
    )


def _limit(amount: float | Decimal | None, unit: str, source: str) -> Limit | None:
    return Limit(amount=Decimal(str(amount)), unit=unit, source=source) if amount else None


def _smaller(one: Limit | None, other: Limit | None) -> Limit | None:
    if one is None or other is None:
        return one or other
    return one if one.amount <= other.amount else other


def shown(amount: Decimal, *, digits: int = 4) -> str:
    """With separators, and no more than so many decimals: `12,000`, `0.0312`."""
    text = f"{amount:,.{digits}f}"
    return text.rstrip("0").rstrip(".")
