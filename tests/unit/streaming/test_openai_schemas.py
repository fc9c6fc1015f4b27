from datetime import date
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from streaming.llm.schemas import NotStrict, response_schema, strict


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = Field(9, ge=1, le=9, description="How many are left.")


class Dog(BaseModel):
    kind: Literal["dog"]
    name: str = Field(min_length=1, max_length=40, pattern="^[A-Z]")


class Node(BaseModel):
    name: str
    children: list["Node"] = []


class Report(BaseModel):
    model_config = ConfigDict(title="The report, 1st")

    title: str
    signed: date | None = None
    first: Cat = Field(description="Beside a reference.")
    pets: list[Annotated[Cat | Dog, Field(discriminator="kind")]] = Field(default=[], max_length=9)


def test_every_object_is_closed_and_every_property_required():
    schema = strict(Report.model_json_schema())

    assert schema["required"] == ["title", "signed", "first", "pets"]
    assert schema["additionalProperties"] is False
    assert schema["$defs"]["Cat"]["required"] == ["kind", "lives"]
    assert schema["$defs"]["Dog"]["additionalProperties"] is False


def test_only_what_every_provider_knows_is_sent():
    schema = strict(Report.model_json_schema())

    assert schema["properties"] == {
        "title": {"type": "string"},
        "signed": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "first": {"$ref": "#/$defs/Cat"},
        "pets": {
            "type": "array",
            "items": {"anyOf": [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}]},
        },
    }
    assert schema["$defs"]["Cat"]["properties"] == {
        "kind": {"type": "string", "enum": ["cat"]},
        "lives": {"type": "integer", "description": "How many are left."},
    }


def test_a_recursive_model_has_an_object_at_its_root():
    schema = strict(Node.model_json_schema())

    assert schema["type"] == "object"
    assert schema["properties"]["children"]["items"] == {"$ref": "#/$defs/Node"}
    assert schema["$defs"]["Node"]["required"] == ["name", "children"]


def test_the_schema_given_is_not_changed():
    before = Report.model_json_schema()

    strict(before)

    assert before == Report.model_json_schema()


class Free(BaseModel):
    counts: dict[str, int]


class Pair(BaseModel):
    pair: tuple[int, str]


class Anything(BaseModel):
    what: object


class Empty(BaseModel):
    pass


@pytest.mark.parametrize("model", [Free, Pair, Anything, Empty])
def test_what_no_strict_grammar_says_is_sent_as_it_is_and_not_called_strict(model):
    schema = model.model_json_schema()

    with pytest.raises(NotStrict):
        strict(schema)
    assert response_schema(schema) == {"name": model.__name__, "strict": False, "schema": schema}


def test_a_list_is_no_answer_of_the_strict_mode():
    assert response_schema({"type": "array", "items": {"type": "string"}})["strict"] is False


def test_the_name_is_one_that_providers_take():
    named = response_schema(Report.model_json_schema())

    assert named["name"] == "The_report__1st"
    assert named["strict"] is True
    assert response_schema({"type": "object", "title": "x" * 99})["name"] == "x" * 64
    assert response_schema({"type": "object"})["name"] == "answer"


def test_the_only_member_of_an_intersection_stands_for_it():
    schema = {
        "type": "object",
        "properties": {"a": {"allOf": [{"type": "string"}], "description": "The name."}},
    }

    assert strict(schema)["properties"]["a"] == {"type": "string", "description": "The name."}


@pytest.mark.parametrize("reference", ["#/definitions/Cat", "https://example.com/schema", "#"])
def test_a_reference_that_leads_elsewhere_is_not_followed(reference):
    with pytest.raises(NotStrict):
        strict({"type": "object", "properties": {"a": {"$ref": reference}}})


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {"type": ["object", "null"], "properties": {"b": {}}}}},
        {"type": "object", "properties": {"a": {"type": ["array", "null"], "items": {"type": "string"}}}},
        {"type": "object", "properties": {"a": {"anyOf": [True, {"type": "string"}]}}},
        {"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}},
        {"$ref": "#/$defs/Missing"},
    ],
)
def test_a_schema_written_by_hand_is_sent_as_it_is_where_it_says_what_strict_ones_cannot(schema):
    with pytest.raises(NotStrict):
        strict(schema)
