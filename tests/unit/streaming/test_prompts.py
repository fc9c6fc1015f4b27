import json
import os
from typing import Any

import pytest
from pydantic import BaseModel, RootModel

from streaming.parsers import DocumentParser, NdjsonParser, Parsed, ParserError
from streaming.prompts import document_prompt, item_prompt
from streaming.prompts.parts import parts_of
from tests.unit.streaming.prompt_examples import (
    CLAUSE,
    CONTRACT,
    GOLDEN,
    PATHS,
    PROMPTS,
    TASK,
    Clause,
    Contract,
    Source,
)

# About four characters of English a token: rules that grow past this are read less and paid for with each call.
MOST_RULE_CHARS = 1_300


@pytest.mark.parametrize("name", PROMPTS)
def test_each_prompt_is_the_agreed_text(name):
    agreed = GOLDEN / f"{name}.txt"
    if os.environ.get("RENEW_GOLDEN"):
        agreed.write_text(PROMPTS[name]() + "\n")

    assert PROMPTS[name]() + "\n" == agreed.read_text(), "If it is meant: RENEW_GOLDEN=1, once"


def test_there_is_no_agreed_text_that_nothing_writes():
    assert {path.stem for path in GOLDEN.iterdir()} == set(PROMPTS)


@pytest.mark.parametrize("name", PROMPTS)
def test_the_rules_stay_short(name):
    rules = PROMPTS[name]().partition("How to answer:")[2].partition("\n\n")[0]

    assert len(rules) < MOST_RULE_CHARS
    assert len(rules.strip().splitlines()) <= 12


def test_the_example_line_is_one_that_our_own_reader_and_model_accept():
    line = item_prompt(Clause, task=TASK, example=CLAUSE).splitlines()[-1]

    (parsed,) = NdjsonParser().feed(line + "\n")

    assert isinstance(parsed, Parsed)
    assert Clause.model_validate(parsed.value) == CLAUSE


def test_the_example_document_gives_a_value_at_each_of_its_paths():
    text = document_prompt(Contract, task=TASK, example=CONTRACT, paths=PATHS).splitlines()[-1]
    parser = DocumentParser(PATHS)
    results = parser.feed(text)
    _, end = parser.close()

    assert end.kind == "complete"
    assert [(result.path, result.key) for result in results if isinstance(result, Parsed)] == [
        ("clauses.item", None),
        ("by_party.*", "Müller & Söhne"),
        ("is_fair", "is_fair"),
    ]
    assert Clause.model_validate(results[0].value) == CLAUSE


def test_the_schema_is_compact_and_keeps_a_field_that_is_called_title():
    prompt = item_prompt(Clause, task=TASK, example=CLAUSE)
    line = next(line for line in prompt.splitlines() if line.startswith('{"$defs"'))

    schema = json.loads(line)

    assert schema["properties"]["title"] == {
        "description": "what it says, in a few words",
        "maxLength": 80,
        "type": "string",
    }
    assert "title" not in schema
    assert "title" not in schema["$defs"]["Source"]
    assert list(schema["properties"]) == ["kind", "title", "amount", "source", "from"]
    assert schema["required"] == ["kind", "title", "source"]
    assert schema["additionalProperties"] is False


def test_the_language_is_that_of_the_material_unless_another_is_asked_for():
    assert "Write in the language of the material." in PROMPTS["item_prompt"]()
    assert "Write in German." in PROMPTS["item_prompt_in_german"]()


@pytest.mark.parametrize(
    "ask",
    [
        lambda: item_prompt(Clause, task=TASK, example=CLAUSE.source),
        lambda: document_prompt(Clause, task=TASK, example=CLAUSE.source, paths=["title"]),
    ],
)
def test_an_example_of_another_model_is_refused(ask):
    with pytest.raises(TypeError, match="must be a Clause, not a Source"):
        ask()


class Tree(BaseModel):
    name: str
    item: Source | None = None
    children: "list[Tree]" = []
    pair: tuple[Source, int] | None = None
    anything: Any = None
    by_name: dict[str, Source] = {}


@pytest.mark.parametrize(
    ("paths", "parts"),
    [
        (["children.item"], ["children[]"]),
        (["children.item.children.item.name"], ["children[].children[].name"]),
        (["item.quote"], ["item.quote"]),
        (["pair.item"], ["pair[]"]),
        (["by_name.*"], ["by_name.*"]),
        (["by_name.Anna.quote", "name"], ["by_name.Anna.quote", "name"]),
        (["anything.deep.item"], ["anything.deep[]"]),
        ([("by_name", "a.b")], ["by_name.a.b"]),
        (["*"], ["*"]),
        ([""], []),
    ],
)
def test_a_path_is_named_as_the_model_knows_it(paths, parts):
    assert parts_of(Tree, paths) == parts


def test_a_document_may_be_a_list():
    assert parts_of(RootModel[list[Source]], ["item.quote"]) == ["[].quote"]


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("clauses", None),
        ("clause.item", "'clause' at the top of Contract"),
        ("clauses.item.source.pages", "'pages' at clauses\\[\\].source of Contract"),
        ("clauses.title", "'title' at clauses of Contract"),
        ("is_fair.item", "'item' at is_fair of Contract"),
        ("clauses.item.of", "'of' at clauses\\[\\] of Contract"),  # it is called `from` in the JSON
    ],
)
def test_a_path_that_leads_nowhere_in_the_model_is_refused_before_a_model_is_paid(path, where):
    if where is None:
        assert parts_of(Contract, [path]) == [path]
        return
    with pytest.raises(ValueError, match=where):
        document_prompt(Contract, task=TASK, example=CONTRACT, paths=[path])


def test_paths_that_no_parser_takes_are_refused_as_the_parser_does():
    with pytest.raises(ParserError, match="overlap"):
        document_prompt(Contract, task=TASK, example=CONTRACT, paths=["clauses", "clauses.item"])
