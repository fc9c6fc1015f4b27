"""Invariant: the same results for every way of cutting the bytes, with `json.loads` as the oracle."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.parsers import Limits, Rejected
from tests.unit.streaming.parsers.corpus import ANSWERS
from tests.unit.streaming.parsers.runs import parse, values

STORABLE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | STORABLE
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(STORABLE, inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(STORABLE, VALUES, max_size=5)
FORMS = st.fixed_dictionaries({"ensure_ascii": st.booleans(), "indent": st.sampled_from([None, None, 0, 2])})
CUTS = st.lists(st.integers(0, 10_000), max_size=30)
# Fragments that meet in the wildest ways: half objects, fences, escapes, cut characters, invalid bytes.
FRAGMENTS = st.one_of(
    st.sampled_from(
        [b"{", b"}", b"[", b"]", b'"', b":", b",", b"\n", b"\r\n", b" ", b"\\", b"1", b"-", b"null"]
    ),
    st.sampled_from(
        [b'"a"', b'{"a":', b'{"b":1}', b'{"c":"\n', b'{"a":1,"a":2}', b"1e9", b"NaN", b"```", b"text"]
    ),
    st.sampled_from(
        [b"\\u", b"\\ud83d", b"\\ude00", b"0000", b"\0", b"\xc3", b"\xa4", b"\xff", b"\xef\xbb\xbf"]
    ),
)
SMALL = Limits(
    max_depth=3,
    max_string_bytes=12,
    max_number_chars=6,
    max_line_bytes=40,
    max_document_bytes=250,
    max_items=6,
    max_raw_bytes=20,
    max_prose_bytes=30,
)


@given(
    objects=st.lists(st.tuples(OBJECTS, FORMS), max_size=8),
    line_end=st.sampled_from(["\n", "\r\n"]),
    cuts=CUTS,
)
def test_what_json_writes_is_read_as_json_reads_it(objects, line_end, cuts):
    texts = [json.dumps(value, **form) for value, form in objects]
    text = line_end.join(texts).replace("\r\r\n", "\r\n")

    results, end = parse(text.encode(), cuts=cuts)

    assert values(results) == [json.loads(written) for written in texts]
    assert (end.kind, end.rejected, end.prose) == ("complete", 0, "")


@given(objects=st.lists(OBJECTS, min_size=1, max_size=6), indent=st.sampled_from([None, 0, 2]), cuts=CUTS)
def test_a_list_is_read_as_its_objects(objects, indent, cuts):
    results, end = parse(json.dumps(objects, indent=indent), cuts=cuts)

    assert values(results) == objects
    assert end.kind == "complete"


@given(objects=st.lists(OBJECTS, min_size=1, max_size=5), drop=st.integers(1, 10_000), cuts=CUTS)
def test_a_cut_end_costs_the_last_object_and_is_never_called_complete(objects, drop, cuts):
    lines = [json.dumps(value) for value in objects]
    last = lines[-1][: -1 - drop % (len(lines[-1]) - 1)] or "{"

    results, end = parse("\n".join([*lines[:-1], last]), cuts=cuts)

    assert values(results) == objects[:-1]
    assert end.kind == "truncated"


@settings(max_examples=200)
@given(fragments=st.lists(FRAGMENTS, max_size=60), cuts=CUTS, limits=st.sampled_from([None, SMALL]))
def test_any_bytes_give_the_same_results_for_every_cut_and_never_an_exception(fragments, cuts, limits):
    data = b"".join(fragments)

    whole = parse(data, limits=limits)

    assert parse(data, cuts=cuts, limits=limits) == whole
    assert parse(data, cuts=range(len(data)), limits=limits) == whole
    for result in whole[0]:
        stored = result.raw if isinstance(result, Rejected) else json.dumps(result.value, ensure_ascii=False)
        assert "\0" not in stored
        assert stored.encode().decode() == stored


@given(data=st.binary(max_size=200), cuts=CUTS)
def test_noise_gives_the_same_results_for_every_cut(data, cuts):
    assert parse(data, cuts=cuts) == parse(data)


@given(text=st.text(max_size=100), cuts=CUTS)
def test_text_gives_the_same_results_for_every_cut(text, cuts):
    assert parse(text, cuts=cuts) == parse(text)


@given(answers=st.lists(st.sampled_from(ANSWERS), max_size=5), cuts=CUTS)
def test_broken_answers_in_a_row_give_the_same_results_for_every_cut(answers, cuts):
    parts = (answer.text.encode() if isinstance(answer.text, str) else answer.text for answer in answers)
    data = b"\n".join(parts)

    assert parse(data, cuts=cuts) == parse(data)


@given(objects=st.lists(OBJECTS, min_size=1, max_size=6), broken=st.integers(0, 5), data=st.data())
def test_a_line_that_is_cut_short_costs_itself_and_not_its_neighbours(objects, broken, data):
    lines = [json.dumps(value) for value in objects]
    lines.insert(
        broken % (len(lines) + 1),
        '{"' + data.draw(st.sampled_from(["x", 'x":', 'x":[1,', 'x":"y', 'x":{"y":1'])),
    )
    # Only a second object proves that the first does not belong to a member without a value.
    lines += ['{"last":1}', '{"last":2}']

    results, _ = parse("\n".join(lines))

    assert values(results) == [*objects, {"last": 1}, {"last": 2}]
