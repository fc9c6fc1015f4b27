"""The quick way to read a value gives what the careful one gives, or says that it is unsure."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.parsers import Limits
from streaming.parsers.base import Refused
from streaming.parsers.values import UNSURE, ValueReader
from tests.unit.streaming.parsers.test_ndjson_properties import FORMS, OBJECTS, SMALL

TOKENS = st.sampled_from(
    [
        *('"a"', '"b"', '"\\u0061"', '"\\n"', '"é"', '"a b"', '"\\ud800"', '"\\u0000"', '"\x01"'),
        *("1", "-0", "0.1", "1.50", "1e5", "1E400", "9007199254740993", "9223372036854775807"),
        *("18446744073709551615", "12345678901234567890123", "NaN", "null", "true"),
        *(":", ",", "{", "}", "[", "]", " ", "\t", "\n", '{"a":1}', '{"a":', "[[[["),
        *('"\\u00e9"', '"\\u003ab"', '":"', '"\\":"', '"\\u0022:"', '" :"', '{"a":1.50,', '"a" :'),
    ]
)


def carefully(data: bytes, limits: Limits):
    reader = ValueReader(limits)
    text = data.decode()
    value, end = reader.read(text)
    return value if end == len(text) and not reader.replaced else None


@settings(max_examples=500)
@given(tokens=st.lists(TOKENS, max_size=12), limits=st.sampled_from([Limits(), SMALL]))
def test_what_is_read_quickly_is_what_is_read_carefully(tokens, limits):
    data = "".join(tokens).encode()

    value = ValueReader(limits).quick(data.strip(b" \t\r\n"))

    if value is not UNSURE:
        assert repr(value) == repr(carefully(data.strip(b" \t\r\n"), limits))


@given(value=OBJECTS, form=FORMS)
def test_what_json_writes_is_read_as_json_reads_it(value, form):
    data = json.dumps(value, **form).encode()

    assert repr(ValueReader(Limits()).read_all(data)) == repr(json.loads(data))


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"a":1}',
        '{"a":1,"\\u0061":1}',
        '{"a":{"b":1,"b":1}}',
        '{"a":12345678901234567890}',
        '{"a":9007199254740993}',
        '{"a":1.1234567890123456}',
        '{"a":1e400}',
        '{"a":NaN}',
        '{"a":"\\u0000"}',
        '{"a":"\\ud800"}',
        '{"a":"\t"}',
        '{"a":1.50,"a":1}',
        '{"a":"\\u003ab","a":1.50,"a":1}',  # what is lost is not made up for by a colon that was hidden
        '{"a":"\\u0020:b","a":1.50,"a":1}',
        '{"a":"\\u0022:b","a":1.50,"a":1}',
        '{"a":"says \\":","b":1.50}',
        "[" * 65 + "]" * 65,
        '{"a":"' + "x" * 262_144 + '"}',
    ],
)
def test_what_needs_a_second_look_is_not_read_quickly(text):
    assert ValueReader(Limits()).quick(text.encode()) is UNSURE


def test_a_number_that_is_longer_than_it_may_be_is_not_read_quickly():
    text = b'{"a":100000000000000.100000000000000}'  # 31 characters, and no digit would be lost

    assert ValueReader(Limits(max_number_chars=30)).quick(text) is UNSURE


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1, "b": [true, null, 0.5, "ä\\n \\""]}',
        '{\n  "a": {}\n}',
        '"x y"',
        "1.5",
        "[]",
        '{"price" :12.50,"at":1E3,"none":-0,"share": 0.30}',
        '{"\\u00dcber":"\\ud83d\\ude00\\/","a":":b"}',
    ],
)
def test_what_models_mostly_write_is_read_quickly(text):
    assert ValueReader(Limits()).quick(text.encode()) == json.loads(text)


@pytest.mark.parametrize("text", ["", "1 2", "01", "1.", "tru", "'a'", "{} {}"])
def test_a_value_is_all_of_its_text(text):
    with pytest.raises(Refused):
        ValueReader(Limits()).read_all(text.encode())


DECIMALS = st.from_regex(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,15})?([eE][-+]?[0-9]{1,3})?", fullmatch=True)


@settings(max_examples=500)
@given(text=DECIMALS)
def test_a_number_that_is_spelled_otherwise_is_the_same_number(text):
    data = f'{{"a":{text},"b":"\\u00e9"}}'.encode()

    value = ValueReader(Limits()).quick(data)

    assert value is UNSURE or repr(value) == repr(carefully(data, Limits()))


MEMBERS = st.tuples(
    st.sampled_from(['"a"', '"b"', '"\\u0061"', '"a:"', '":"', '"\\u00e9"', '"\\":"']),
    st.sampled_from([":", " :", ": ", "\t:"]),
    st.sampled_from(["1", "1.50", "1e1", '":x"', '" :"', '"\\u003a"', '"\\u0022:"', '{"a":2.0}', "[]"]),
)


@settings(max_examples=1_000)
@given(members=st.lists(MEMBERS, max_size=5))
def test_no_spelling_hides_a_key_that_is_there_twice(members):
    data = ("{" + ",".join("".join(member) for member in members) + "}").encode()
    try:
        expected = repr(carefully(data, Limits()))
    except Refused:
        expected = None

    value = ValueReader(Limits()).quick(data)

    assert value is UNSURE or repr(value) == expected
