"""The prompts whose every word is agreed: golden/*.txt. `RENEW_GOLDEN=1 pytest …/test_prompts.py` writes them anew."""

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from documents import flows
from documents.findings import Finding
from streaming.prompts import document_prompt, item_prompt, reask_prompt

GOLDEN = Path(__file__).parent / "golden"


class Kind(StrEnum):
    PARTY = "party"
    DUTY = "duty"


class Source(BaseModel):
    page: int = Field(ge=1, description="page of the quote, from 1")
    quote: str = Field(description="word for word")


class Clause(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: Kind
    title: str = Field(max_length=80, description="what it says, in a few words")
    amount: float | None = None
    source: Source
    of: str = Field("", alias="from")


class Contract(BaseModel):
    """What a contract says, and what follows from it."""

    clauses: list[Clause]
    by_party: dict[str, list[str]] = Field(description="a party's name: the titles of its duties")
    reasons: list[str] = Field(description="what speaks for the verdict, before it")
    is_fair: bool


TASK = """
You read a contract. Write down each party and each duty.
"""
CLAUSE = Clause(
    kind=Kind.DUTY,
    title='The tenant – "Müller & Söhne" – heats',
    source=Source(page=3, quote="shall heat\nthe rooms"),
    **{"from": "§ 4"},
)
CONTRACT = Contract(
    clauses=[CLAUSE],
    by_party={"Müller & Söhne": ["The tenant heats"]},
    reasons=["Only one side may end it."],
    is_fair=False,
)
PATHS = ("clauses.item", "by_party.*", "is_fair")

PROMPTS: dict[str, Callable[[], str]] = {
    "item_prompt": lambda: item_prompt(Clause, task=TASK, example=CLAUSE),
    "item_prompt_in_german": lambda: item_prompt(Source, task=TASK, example=CLAUSE.source, language="German"),
    "document_prompt": lambda: document_prompt(Contract, task=TASK, example=CONTRACT, paths=PATHS),
    "whole_document_prompt": lambda: document_prompt(Source, task=TASK, example=CLAUSE.source, paths=[""]),
    "reask_prompt": lambda: reask_prompt(Source),
    "finding_prompt": lambda: item_prompt(Finding, task=flows.TASK, example=flows.EXAMPLE),
}
