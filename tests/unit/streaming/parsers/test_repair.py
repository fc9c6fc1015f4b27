import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.parsers import AutoParser, DocumentParser, Limits, NdjsonParser, Parsed
from streaming.parsers.base import Refused
from streaming.parsers.repair import Mender, repair
from streaming.parsers.values import ValueReader
from tests.unit.streaming.parsers.runs import parse_everyhow, reasons, values
from tests.unit.streaming.parsers.test_ndjson_properties import FORMS, OBJECTS

MENDED = [
    ("{'a': 'b'}", {"a": "b"}),
    ("{'a': 'it\\'s \"so\"'}", {"a": 'it\'s "so"'}),
    ("{'a': 'x\\ny\\u00e4 \\\\'}", {"a": "x\nyä \\"}),
    ('{"a": [1, 2,], }', {"a": [1, 2]}),
    ("{a: 1, b_2: {$c-d: 2}}", {"a": 1, "b_2": {"$c-d": 2}}),
    ('{"a": True, "b": None, "c": [False]}', {"a": True, "b": None, "c": [False]}),
    ("{None: 1, 'True': True}", {"None": 1, "True": True}),
    ('{"a": 1, // one\n "b": 2 /* two, */ , # three\n}', {"a": 1, "b": 2}),
    ('{"a": "// no comment, }", "b": "it\'s True, }",}', {"a": "// no comment, }", "b": "it's True, }"}),
]
# What is cut, left out, or could mean two things.
LEFT = [
    '{"a": 1',
    '{"a": [1, 2}',
    '{"a": "b',
    "{'a': 'b}",
    '{"a": }',
    '{"a": 1 "b": 2}',
    '{"a": "x "y" z"}',
    '{"a": yes}',
    '{"a": b c}',
    '{"a": NaN}',
    '{"a": undefined}',
    '{"a": 01}',
    '{"a": .5}',
    '{"a": 1,, "b": 2}',
    '{"a": [,]}',
    '{"a": [ /* two */ , ]}',
    '{"a": {,}}',
    '{"a": ,}',
    '{"a": ...}',
    '{"a": “b”}',
    "{'a': 1, 'a': 2}",
    '{"a": 1, a: 2}',
    "{a: 123456789012345678901234567890}",
    "{/* never closed }",
    "{'a': 1} {'b': 2}",
    "{a b: 1}",
    "(1, 2)",
    "{1, 2}",
    "{1: 2}",
    "",
]


def mend(text: str):
    return Mender(ValueReader(Limits())).read(text)


@pytest.mark.parametrize(("text", "value"), MENDED)
def test_spellings_that_mean_one_thing_are_mended(text, value):
    assert mend(text) == value


@pytest.mark.parametrize("text", LEFT)
def test_what_was_left_out_is_never_made_up(text):
    with pytest.raises(Refused):
        mend(text)


@given(value=OBJECTS, form=FORMS)
def test_json_is_left_as_it_is(value, form):
    text = json.dumps(value, **form)

    assert repair(text) == text


@given(value=OBJECTS)
def test_what_python_prints_is_read_as_what_it_printed(value):
    written = repr(value)
    try:
        mended = mend(written)
    except Refused:  # \\x.. and \\U........ are Python's own escapes
        assert "\\x" in written or "\\U" in written
    else:
        assert mended == value


@given(text=st.text(alphabet="{}[]:,'\"ab1 \\/*#\nTrue", max_size=40))
def test_any_text_is_mended_or_refused_and_mended_text_holds_no_other_strings(text):
    try:
        value = mend(text)
    except Refused:
        return
    # Each letter of the value stood in the text.
    assert set(json.dumps(value)) <= set(text) | set('"truefalsn\\ ,:')


@pytest.mark.parametrize("make", [NdjsonParser, lambda **options: AutoParser(["items.item"], **options)])
def test_repair_is_off_unless_asked_for_and_marks_what_it_mended(make):
    text = '{\'a\': 1}\n{"b": 2}\n{\n  c: 3,\n}\n{"x": \n'

    strict, _ = parse_everyhow(text, make=make)
    mended, end = parse_everyhow(text, make=lambda **options: make(repair=True, **options))

    assert (values(strict), reasons(strict)) == ([{"b": 2}], ["syntax", "syntax", "truncated"])
    assert [(result.value, result.repaired) for result in mended if isinstance(result, Parsed)] == [
        ({"a": 1}, True),
        ({"b": 2}, False),
        ({"c": 3}, True),
    ]
    assert (end.items, end.rejected, end.repaired) == (3, 1, 2)


def test_values_of_a_document_are_mended_one_by_one():
    text = '{"items": [{"a": 1,}, {\'b\': None}, True, {"c" 1}], "summary": "x"}'

    results, end = parse_everyhow(
        text, make=lambda **options: DocumentParser(["items.item", "summary"], repair=True, **options)
    )

    assert values(results) == [{"a": 1}, {"b": None}, True, "x"]
    assert [result.repaired for result in results if isinstance(result, Parsed)] == [True, True, True, False]
    assert (reasons(results), end.kind, end.repaired) == (["syntax"], "complete", 3)


def test_only_spelling_is_mended_not_what_a_limit_or_a_rule_refuses():
    text = '{"a":1,"a":2}\n{"a":NaN}\n{"a":1e999}\n'

    results, _ = parse_everyhow(text, make=lambda **options: NdjsonParser(repair=True, **options))

    assert reasons(results) == ["duplicate_key", "not_a_number", "number_out_of_range"]
