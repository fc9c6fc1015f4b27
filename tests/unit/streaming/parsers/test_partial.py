"""A value that is being written: what is said of it never changes, however the bytes are cut."""

import copy
import json
import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.parsers import DocumentParser, Limits, NdjsonParser, Parsed, PartialReader, Watch, apply_ops
from tests.unit.streaming.parsers.test_document_properties import FORMS, PATH_SETS, ROOTS, Impatient
from tests.unit.streaming.parsers.test_ndjson_properties import CUTS, FRAGMENTS, VALUES

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=4)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=5)


def reading(data: bytes, *, step: int = 1, **options) -> PartialReader:
    reader = PartialReader(**{"max_bytes": 100_000, **options})
    for start in range(0, len(data), step):
        reader.feed(data[start : start + step])
    return reader


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:stop] for start, stop in pairwise(edges)]


def is_part_of(part, whole) -> bool:
    """Could `part` become `whole` by growing alone?"""
    match part:
        case dict():
            names = list(part)
            return isinstance(whole, dict) and all(
                name in whole and is_part_of(part[name], whole[name]) for name in names
            )
        case list():
            return (
                isinstance(whole, list)
                and len(part) <= len(whole)
                and all(is_part_of(*pair) for pair in zip(part, whole, strict=False))
            )
        case str():
            return isinstance(whole, str) and whole.startswith(part)
    return type(part) is type(whole) and (
        part == whole or (isinstance(part, float) and math.isnan(part) and math.isnan(whole))
    )


@given(value=VALUES, form=FORMS, cuts=CUTS)
@settings(max_examples=300)
def test_what_is_taken_builds_the_value_whenever_it_is_taken(value, form, cuts):
    data = json.dumps(value, **form).encode() + b"\n"
    reader, built = PartialReader(max_bytes=1_000_000), None
    for index, piece in enumerate(pieces(data, cuts)):
        reader.feed(piece)
        if index % 2:
            built = apply_ops(built, copy.deepcopy(reader.take()))
            assert built == reader.value
            assert built is None or is_part_of(built, value)
    assert reader.is_closed
    assert apply_ops(built, reader.take()) == value


@given(value=OBJECTS, form=FORMS)
@settings(max_examples=100)
def test_byte_by_byte_nothing_that_was_said_changes(value, form):
    data = json.dumps(value, **form).encode()
    reader, built = PartialReader(max_bytes=1_000_000), None
    for index in range(len(data)):
        reader.feed(data[index : index + 1])
        before = copy.deepcopy(built)
        built = apply_ops(built, reader.take())
        assert before is None or is_part_of(before, built)
        assert is_part_of(built, value)
    assert built == value


def watched(data: bytes, cuts: list[int], make) -> None:
    """Whatever a watch shows of a value is part of what its parser takes in that place, or of nothing it takes."""
    parser = make(Limits())
    watch = Watch(parser, max_bytes=1_000_000, max_depth=64)
    shown, taken = {}, {}
    for piece in [*pieces(data, cuts), None]:
        results = parser.feed(piece) if piece is not None else parser.close()[0]
        for result in results:
            if isinstance(result, Parsed):
                taken[result.position] = result.value
        if piece is None:
            break
        watch.feed(piece)
        if watch.reader and watch.reader.value is not None:
            shown.setdefault(parser.opened.position, []).append(copy.deepcopy(watch.reader.value))
    for position, parts in shown.items():
        if position in taken:
            assert all(is_part_of(part, taken[position]) for part in parts)


@given(data=st.lists(FRAGMENTS, max_size=12).map(b"".join), cuts=CUTS)
@settings(max_examples=300)
def test_a_half_line_is_part_of_what_becomes_of_it_in_any_answer(data, cuts):
    watched(data, cuts, NdjsonParser)
    watched(data, list(range(len(data))), NdjsonParser)


@given(root=ROOTS, paths=PATH_SETS, form=FORMS, cuts=CUTS, is_impatient=st.booleans())
@settings(max_examples=300)
def test_a_half_value_of_a_document_is_part_of_what_is_taken_there(root, paths, form, cuts, is_impatient):
    data = b"Here:\n" + json.dumps(root, **form).encode()
    make = Impatient if is_impatient else DocumentParser
    watched(data, cuts, lambda limits: make(paths, limits))
    watched(data, list(range(len(data))), lambda limits: make(paths, limits))


def seen(data: bytes, make, *, step: int = 1) -> list:
    """The last thing shown of each value, in order."""
    parser = make()
    watch = Watch(parser, max_bytes=100_000, max_depth=64)
    last: list = []
    for start in range(0, len(data), step):
        parser.feed(data[start : start + step])
        if watch.feed(data[start : start + step]) and watch.reader:
            last.append(None)
        if watch.reader:
            last[-1] = copy.deepcopy(watch.reader.value)
    return last


def test_each_line_is_seen_growing():
    data = b'```json\n{"a": "one", "n": 12}\n{"a": "tw'

    assert seen(data, NdjsonParser) == [{"a": "one", "n": 12}, {"a": "tw"}]
    # What closes and ends within a chunk is an item at once, and no half one any more.
    assert seen(data, NdjsonParser, step=7) == [{"a": "one"}, {"a": "tw"}]


def test_an_object_over_several_lines_is_seen_growing():
    data = b'{\n  "a": "one",\r\n  "b": [1,\n 2'

    assert seen(data, NdjsonParser) == [{"a": "one", "b": [1]}]


def test_a_line_that_was_broken_off_makes_way_for_the_next():
    assert seen(b'{"a": 1,\n{"b": "x', NdjsonParser) == [{"a": 1}, {"b": "x"}]


@pytest.mark.parametrize("step", [1, 3, 24])
def test_values_at_the_paths_of_a_document_are_seen_growing(step):
    data = (
        b'{"meta": {"a": [1]}, "items": [{"t": "one", "in": {"x": [1, 2]}}, {"t": "two"}], "summary": "It i'
    )
    shown = seen(data, lambda: DocumentParser(["items.item", "summary"]), step=step)

    wholes = [{"t": "one", "in": {"x": [1, 2]}}, {"t": "two"}, "It i"]
    assert shown[-1] == "It i"
    if step < 24:  # the second one comes and goes within a chunk of that size
        assert [is_part_of(*pair) for pair in zip(shown, wholes, strict=True)] == [True] * 3


def test_a_number_waits_for_what_ends_it():
    assert reading(b'{"n": 12').value == {}
    assert reading(b'{"n": 12,').value == {"n": 12}
    assert reading(b'{"n": tru').value == {}
    assert reading(b'{"n": -1.5e3}').value == {"n": -1500.0}


@pytest.mark.parametrize(
    ("written", "known"),
    [
        (rb'{"a": "x\n', "x\n"),
        (rb'{"a": "x\u00', "x"),
        (rb'{"a": "x\ud83d', "x"),
        (rb'{"a": "x\ud83d\ude0', "x"),
        (rb'{"a": "x\ud83d\ude00', "x\U0001f600"),
        (rb'{"a": "x\ud83dy', "x\ufffdy"),
        (rb'{"a": "x\ud83d\n', "x\ufffd\n"),
        (rb'{"a": "\ud83d\ud83d\ude00', "\ufffd\U0001f600"),
        (rb'{"a": "\ude00\u0000', "\ufffd\ufffd"),
        ('{"a": "ü'.encode()[:-1], ""),
        ('{"a": "\U0001f600'.encode()[:-1], ""),
        (b'{"a": "\0', "\ufffd"),
    ],
)
def test_of_a_text_only_whole_characters_are_known(written, known):
    for step in (1, 2, 100):
        assert reading(written, step=step).value == {"a": known}


@pytest.mark.parametrize(
    ("written", "known"),
    [
        (b"{'a': 1}", {}),
        (b'{"a": 1 "b": 2}', {"a": 1}),
        (b'{"a": 1, "a": 2}', {"a": 1}),
        (b'{"a": 1, "\\u0061": 2}', {"a": 1}),
        (b'{"a": NaN, "b": 1}', {}),
        (b'{"a": 01, "b": 1}', {}),
        (b'{"a": 1e999, "b": 1}', {}),
        (b'{"a": 99999999999999999999, "b": 1}', {}),
        (b'{"a": "x\\q"}', {"a": "x"}),
        (b'{"a": "x\xff"}', {"a": "x"}),
        (b'{"a": [1}', {"a": [1]}),
        (b'{"a": 1,}', {"a": 1}),
        (b'{"a": ' + b"1" * 65 + b"}", {}),
        (b"[" * 65, None),
    ],
)
def test_what_is_no_json_ends_the_reading_and_what_was_known_stays(written, known):
    reader = reading(written)

    assert reader.is_lost
    assert known is None or reader.value == known


def test_a_line_break_in_a_text_ends_the_reading_of_a_line_only():
    assert reading(b'{"a": "x\ny', in_line=True).value == {"a": "x"}
    assert reading(b'{"a": "x\ny', in_line=True).is_lost
    assert reading(b'{"a": "x\r\ny').value == {"a": "x\r\ny"}


def test_a_value_is_followed_up_to_its_limit():
    reader = reading(b'{"a": "' + b"x" * 100, max_bytes=50)

    assert reader.is_lost
    assert reader.value == {"a": "x" * 43}


def test_operations_between_two_looks_are_merged():
    reader = PartialReader(max_bytes=1_000)
    reader.feed(b'{"a": "on')
    assert reader.take() == [("set", "", {"a": "on"})]
    reader.feed(b"e")
    reader.feed(b" two")
    assert reader.take() == [("append", "/a", "e two")]
    reader.feed(b'", "b/c": [1, [2, {"d": "x"}], "y')
    assert reader.take() == [("set", "/b~1c", [1, [2, {"d": "x"}], "y"])]
    reader.feed(b'z", 3, ')
    assert reader.take() == [("append", "/b~1c/2", "z"), ("push", "/b~1c", 3)]
    assert not reader.has_news
    assert reader.take() == []


def test_what_was_taken_does_not_grow_afterwards():
    reader = PartialReader(max_bytes=1_000)
    reader.feed(b'{"a": [1,')
    taken = reader.take()
    reader.feed(b"2,")

    assert taken == [("set", "", {"a": [1]})]


def test_an_answer_that_is_not_understood_yet_shows_nothing():
    assert seen(b"Use {x} like {this}:\n", NdjsonParser) == []
