import json

import pytest

from benchmarks.measuring import NotArrived
from benchmarks.parsers import memory, readers
from benchmarks.parsers.crowd import crowds
from benchmarks.parsers.growth import lengths
from benchmarks.parsers.speed import Pair
from benchmarks.parsers.texts import as_document, as_lines, cut, of_length, respelled
from benchmarks.parsers.turns import in_turns

FOUND = of_length(4_000)


@pytest.mark.parametrize("size", [1, 24, 65_536])
@pytest.mark.parametrize(
    ("reader", "form", "count"),
    [
        (readers.read_lines, as_lines, len(FOUND)),
        (readers.read_lines, lambda found: as_lines(found).decode(), len(FOUND)),
        (readers.read_document, lambda found: as_document(found).decode(), len(FOUND)),
        (readers.read_either, as_lines, len(FOUND)),
        (readers.read_either, as_document, len(FOUND)),
        (readers.read_lines_plainly, as_lines, len(FOUND)),
        (readers.read_document, as_document, len(FOUND)),
        (readers.read_document_plainly, as_document, len(FOUND)),
        (readers.read_whole_document, as_document, len(FOUND)),
        (readers.skip_document, as_document, 0),
        (readers.skip_document_plainly, as_document, 0),
    ],
)
def test_every_reader_finds_what_there_is(reader, form, count, size):
    assert reader(cut(form(FOUND), size)) == count


def test_the_objects_are_of_the_size_that_the_figures_are_told_for():
    lengths = [len(value) for value in of_length(100_000)]

    assert 190 < sum(lengths) / len(lengths) < 220
    assert json.loads(FOUND[0])["title"] == "Clause 1 – Übergabe"


def test_an_object_that_is_spelled_otherwise_says_the_same_and_a_price():
    (first, *_) = respelled(FOUND)

    assert b'"price":12.50' in first
    assert b"\\u00dcbergabe" in first
    assert {**json.loads(FOUND[0]), "price": 12.5} == json.loads(first)


@pytest.mark.parametrize("reparse", [readers.reparse_with_pydantic_core, readers.reparse_with_jiter])
def test_those_who_parse_the_prefix_get_a_value_from_each_one(reparse):
    document = as_document(FOUND)

    assert all("findings" in reparse(document[:end]) for end in range(20, len(document), 97))


def test_a_reader_that_misses_a_value_is_given_no_speed():
    with pytest.raises(NotArrived, match="lines: ours found 1 of 2"):
        Pair("lines", lambda: 1, lambda: 2, size=100, count=2).play(1)


def test_work_is_done_in_turns_and_every_other_turn_is_in_reverse():
    done = []
    in_turns({"a": lambda: done.append("a"), "b": lambda: done.append("b")}, turns=3)

    assert "".join(done) == "abbaab"


def test_answers_of_every_length_hold_the_same_objects():
    for each in lengths((1_000, 4_000)):
        each.play(is_backwards=False)  # which counts them
        assert [len(answers) for answers in each.answers.values()] == [4, 1]


def test_a_crowd_finds_what_its_answers_hold():
    for crowd in crowds(3, 1_000):
        crowd.play()
        assert crowd.figure().floor


@pytest.mark.parametrize("form", memory.FORMS)
def test_a_stream_is_as_long_as_it_was_asked_for_and_ends(form):
    parser = memory.parser_of(form)
    chunks = list(memory.stream(form, 1_500_000))
    results = [result for chunk in chunks for result in parser.feed(chunk)]
    last, end = parser.close()

    assert sum(map(len, chunks)) >= 1_500_000
    assert end.kind == ("invalid" if form == "endless" else "complete")
    assert bool(results + last) == (form != "skipped")
