"""What tokens cost, by a table of the settings. Pure."""

from collections.abc import Mapping
from decimal import Decimal
from fnmatch import fnmatchcase

from pydantic import BaseModel, ConfigDict, Field

PER_TOKENS = 1_000_000
BYTES_PER_TOKEN = 4


class Price(BaseModel):
    """Of a million tokens, in the currency of the table. cached_input: of those the provider had read before; None: as
    the others.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: Decimal = Field(ge=0, allow_inf_nan=False)
    output: Decimal = Field(ge=0, allow_inf_nan=False)
    cached_input: Decimal | None = Field(None, ge=0, allow_inf_nan=False)

    def of(self, *, tokens_in: int, tokens_out: int, tokens_cached: int = 0) -> Decimal:
        """tokens_cached: those of `tokens_in` that cost less."""
        cached = min(tokens_cached, tokens_in)
        for_cached = self.input if self.cached_input is None else self.cached_input
        read = (tokens_in - cached) * self.input + cached * for_cached
        return (read + tokens_out * self.output) / PER_TOKENS


def price_of(model: str, table: Mapping[str, Price]) -> Price | None:
    """The price of the model with this very name, else of the longest pattern (`gpt-4.1*`) that fits it."""
    if model in table:
        return table[model]
    fitting = [pattern for pattern in table if fnmatchcase(model, pattern)]
    return table[max(fitting, key=len)] if fitting else None


def estimated_tokens(size: int) -> int:
    """Of so many bytes of UTF-8: about right for English, and nearer than a count of characters for other scripts."""
    return -(-size // BYTES_PER_TOKEN)
