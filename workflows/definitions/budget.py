"""What a run may use of models."""

from dataclasses import dataclass
from decimal import Decimal

from workflows.errors import DefinitionError


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Of all attempts of a run together. tokens: read and written. cost: in the currency of MODEL_PRICES."""

    tokens: int | None = None
    cost: float | Decimal | None = None

    def __post_init__(self) -> None:
        given = [amount for amount in (self.tokens, self.cost) if amount is not None]
        if not given or not all(0 < amount < float("inf") for amount in given):
            raise DefinitionError(
                f"Budget(tokens={self.tokens}, cost={self.cost}): give one of them or both, above 0; "
                "a workflow without a limit has no budget"
            )
