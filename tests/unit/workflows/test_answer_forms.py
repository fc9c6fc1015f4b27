"""From a wait's JSON Schema to a form, and from what was typed to the answer."""

import re
from datetime import date
from enum import StrEnum
from typing import Any, Literal

import pytest
from django.template.loader import render_to_string
from pydantic import BaseModel, Field, RootModel

from workflows.definitions import wait_for
from workflows.pages.answers import AnswerForm


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Everything(BaseModel):
    sure: bool
    loud: bool = True
    maybe: bool | None = None
    count: int
    price: float = 2.5
    colour: Colour
    shade: Literal["light", "dark"] = "dark"
    note: str = Field("none", description="Whatever <i>you</i> like.")
    name: str | None = None
    code: str | None = "a"
    day: date | None = None
    tags: list[str]
    extra: dict[str, int] = {}


def form(schema: type[BaseModel] | None, **typed: str) -> AnswerForm:
    wait = wait_for("approval", schema=schema, timeout=60)
    return AnswerForm(wait, {f"answer-approval-{name}": value for name, value in typed.items()})


FILLED = {"sure": "false", "count": "3", "colour": '"red"', "tags": "[]", "price": "2", "shade": '"light"'}


def test_each_kind_of_property_has_a_field_that_fits_it() -> None:
    kinds = {name: type(field).__name__ for name, field in form(Everything).fields.items()}
    assert kinds == {
        "sure": "TypedChoiceField",
        "loud": "BooleanField",
        "maybe": "TypedChoiceField",
        "count": "IntegerField",
        "price": "FloatField",
        "colour": "TypedChoiceField",
        "shade": "TypedChoiceField",
        "note": "CharField",
        "name": "CharField",
        "code": "CharField",
        "day": "CharField",
        "tags": "JSONField",
        "extra": "JSONField",
    }


def test_what_is_typed_becomes_the_json_that_the_model_takes() -> None:
    filled = form(Everything, **FILLED)
    assert filled.is_valid(), filled.errors
    answer = filled.answer()
    assert answer == {
        "sure": False,
        "loud": False,
        "count": 3,
        "price": 2.0,
        "colour": "red",
        "shade": "light",
        "note": "",
        "code": None,
        "tags": [],
    }
    assert Everything.model_validate(answer).name is None


def test_nobody_decides_by_leaving_a_box_alone() -> None:
    blank = form(Everything)
    assert not blank.is_valid()
    assert set(blank.errors) == {"sure", "count", "colour", "tags"}


def test_faults_that_the_model_finds_stand_beside_their_fields() -> None:
    filled = form(Everything, **FILLED)
    assert filled.is_valid()
    filled.blame([("/tags/0", "string_type", "Not a text."), ("", "odd", "Odd."), ("/lost", "odd", "Lost.")])
    assert filled.errors == {"tags": ["Not a text."], "__all__": ["Odd.", "Lost."]}


def test_texts_of_the_schema_are_only_text() -> None:
    class Hostile(BaseModel):
        sure: bool = Field(title="<b>Sure</b>", description="Whatever <i>you</i> like.")
        note: str = Field("</textarea><script>", title="<b>Note</b>")

    waiting = AnswerForm(wait_for("approval", schema=Hostile, timeout=60))
    html = "".join(render_to_string("runs/_form_field.html", {"field": field}) for field in waiting)
    assert not re.search(r"<(b|i|script)>|</textarea><script", html)
    assert "&lt;i&gt;you&lt;/i&gt;" in html


class Whole(RootModel[list[int]]):
    pass


class Nothing(BaseModel):
    pass


@pytest.mark.parametrize(
    ("schema", "typed", "answer"),
    [(None, {}, None), (Nothing, {}, {}), (Whole, {"answer": "[1, 2]"}, [1, 2])],
)
def test_an_answer_may_be_nothing_or_no_object(schema: Any, typed: dict[str, str], answer: Any) -> None:
    filled = form(schema, **typed)
    assert filled.is_valid(), filled.errors
    assert filled.answer() == answer


HOSTILE = {
    "too deep": "[" * 100_000,
    "closed, and too deep": "[" * 100_000 + "]" * 100_000,
    "too many digits": "9" * 5_000,
    "no JSON": "{",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_json_that_python_does_not_read_is_a_fault_of_its_field_which_shows_it_again(text: str) -> None:
    filled = form(Everything, **{**FILLED, "tags": text})
    assert set(filled.errors) == {"tags"}
    assert filled["tags"].value() == text
    assert text in str(filled["tags"])


@pytest.mark.parametrize("text", ['["\\ud800"]', "[" * 900 + "]" * 900, '["é",  1.50]'])
def test_what_was_written_as_json_is_shown_as_it_was_written(text: str) -> None:
    filled = form(Everything, **{**FILLED, "count": "many", "tags": text})
    html = render_to_string("runs/_form_field.html", {"field": filled["tags"]})
    assert set(filled.errors) == {"count"}
    assert text.replace('"', "&quot;").encode() in html.encode()
