import json
from enum import StrEnum
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, Field

from streaming.parsers import NdjsonParser, Parsed
from streaming.prompts import item_prompt

GOLDEN = Path(__file__).parent / "golden" / "item_prompt.txt"


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


TASK = """
You read a contract. Write down each party and each duty.
"""
EXAMPLE = Clause(
    kind=Kind.DUTY,
    title='The tenant – "Müller & Söhne" – heats',
    source=Source(page=3, quote="shall heat\nthe rooms"),
    **{"from": "§ 4"},
)


def test_the_prompt_is_the_agreed_text():
    assert item_prompt(Clause, task=TASK, example=EXAMPLE) + "\n" == GOLDEN.read_text()


def test_the_example_line_is_one_that_our_own_reader_and_model_accept():
    line = item_prompt(Clause, task=TASK, example=EXAMPLE).splitlines()[-1]

    (parsed,) = NdjsonParser().feed(line + "\n")

    assert isinstance(parsed, Parsed)
    assert Clause.model_validate(parsed.value) == EXAMPLE


def test_the_schema_is_compact_and_keeps_a_field_that_is_called_title():
    prompt = item_prompt(Clause, task=TASK, example=EXAMPLE)
    line = next(line for line in prompt.splitlines() if line.startswith('{"$defs"'))

    schema = json.loads(line)

    assert schema["properties"]["title"] == {
        "description": "what it says, in a few words",
        "maxLength": 80,
        "type": "string",
    }
    assert "title" not in schema
    assert "title" not in schema["$defs"]["Source"]
    assert schema["required"] == ["kind", "title", "source"]
    assert schema["additionalProperties"] is False


def test_an_example_of_another_model_is_refused():
    with pytest.raises(TypeError, match="must be a Clause, not a Source"):
        item_prompt(Clause, task=TASK, example=EXAMPLE.source)
