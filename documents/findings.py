"""What is looked for in a document: one model, from which the prompt, the checks and the tables are made."""

import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Kind = Literal["party", "date", "amount", "obligation", "risk", "term"]
Severity = Literal["low", "medium", "high"]

KINDS: dict[Kind, str] = {
    "party": "Parties",
    "date": "Dates",
    "amount": "Amounts",
    "obligation": "Obligations",
    "risk": "Risks",
    "term": "Terms",
}
MAX_QUOTE_CHARS = 600


def _at_most(limit: int, *, ending: str = "…") -> BeforeValidator:
    """A model that writes a little too much still found something: cut, rather than refuse."""

    def cut(text: Any) -> Any:
        if not isinstance(text, str) or len(text) <= limit:
            return text
        return text[: limit - len(ending)].rstrip() + ending

    return BeforeValidator(cut)


class Finding(BaseModel):
    """One fact of the document, with the page and the quote it rests on."""

    model_config = ConfigDict(
        frozen=True,
        str_strip_whitespace=True,
        json_schema_extra={
            "examples": [
                {
                    "kind": "amount",
                    "title": "Monthly rent",
                    "value": "EUR 2,400.00 per month",
                    "page": 3,
                    "quote": "The Tenant shall pay a rent of EUR 2,400.00 per month.",
                    "confidence": 0.9,
                    "amount": "2400.00",
                    "currency": "EUR",
                }
            ]
        },
    )

    kind: Kind = Field(description="what sort of fact it is")
    title: Annotated[str, _at_most(120)] = Field(
        min_length=1, description="what it is, in a few words: 'Monthly rent', 'End date', 'Landlord'"
    )
    value: Annotated[str, _at_most(300)] = Field(
        min_length=1, description="the fact itself as a person would say it: a name, a date, a duty in short"
    )
    page: int = Field(ge=1, description="the number in the last [page N] line above the quote")
    quote: Annotated[str, _at_most(MAX_QUOTE_CHARS, ending="")] = Field(
        min_length=1, description="the words it rests on, copied without a change"
    )
    confidence: float = Field(ge=0, le=1, description="how sure you are, 0 to 1")
    amount: Decimal | None = Field(
        default=None,
        max_digits=20,
        decimal_places=4,
        description="for kind amount: the number, as a string '2400.00'; what reduces a sum is negative",
    )
    currency: str | None = Field(
        default=None, pattern=r"^[A-Z]{3}$", description="for kind amount: the ISO 4217 code"
    )
    date: datetime.date | None = Field(default=None, description="for kind date: YYYY-MM-DD")
    severity: Severity | None = Field(default=None, description="for kind risk: low, medium or high")

    @model_validator(mode="before")
    @classmethod
    def _read_empty_as_absent(cls, data: Any) -> Any:
        """Models like to fill every field: "" and null mean the same here."""
        if not isinstance(data, dict):
            return data
        optional = ("amount", "currency", "date", "severity")
        return {name: None if name in optional and value == "" else value for name, value in data.items()}

    @model_validator(mode="after")
    def _has_what_its_kind_needs(self) -> "Finding":
        needed = {"amount": ("amount", "currency"), "date": ("date",), "risk": ("severity",)}.get(
            self.kind, ()
        )
        missing = [name for name in needed if getattr(self, name) is None]
        if missing:
            raise ValueError(f"a finding of kind {self.kind} needs {' and '.join(missing)}")
        return self


class FindingsSummary(BaseModel):
    """What the second step came to; the findings themselves are its items."""

    finish_reason: str = Field(description="why the model stopped: stop, length, content_filter or unknown")
    rejected: int = Field(ge=0, description="answers that could not be used")
    model: str = ""
