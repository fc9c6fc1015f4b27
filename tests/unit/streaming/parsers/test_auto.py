import pytest

from streaming.parsers import AutoParser, Limits, ParserError
from tests.unit.streaming.parsers.corpus import ANSWERS
from tests.unit.streaming.parsers.document_corpus import DOCUMENTS, PATHS
from tests.unit.streaming.parsers.runs import documents, either, found, parse, parse_everyhow, reasons, values

LINES = '{"a":1}\n{"b":2}\n'
DOCUMENT = '{"title":"x","items":[{"a":1},{"b":2}]}'
AS_ITEMS = [("/items/0", {"a": 1}), ("/items/1", {"b": 2})]
AS_LINES = [("", {"a": 1}), ("", {"b": 2})]


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer.name)
def test_lines_are_read_as_the_parser_of_lines_reads_them(answer):
    assert parse_everyhow(answer.text, make=either("findings.item")) == parse(answer.text)


# Without a path in it nothing tells a document from a line; and one object on the line before is a line.
TELLING = [
    answer
    for answer in DOCUMENTS
    if answer.found and answer.paths == PATHS and answer.name != "another document before"
]


@pytest.mark.parametrize("answer", TELLING, ids=lambda answer: answer.name)
def test_documents_are_read_as_the_parser_of_documents_reads_them(answer):
    assert parse_everyhow(answer.text, make=either(*PATHS)) == parse(answer.text, make=documents(*PATHS))


@pytest.mark.parametrize(
    "before",
    ["", "\ufeff", "```json\n", "Here you are:\n\n", 'Use {x} or {"x":1} here.\n```\n', "[1] says:\n"],
)
@pytest.mark.parametrize(
    ("text", "expected"), [(LINES, AS_LINES), (DOCUMENT, AS_ITEMS)], ids=["lines", "document"]
)
def test_fences_prose_and_a_byte_order_mark_decide_nothing(before, text, expected):
    results, _ = parse_everyhow(before + text, make=either("items.item"))

    assert found(results)[-2:] == expected


@pytest.mark.parametrize(
    ("name", "text", "paths", "is_document"),
    [
        ("one object on one line with a path in it", '{"items":[1]}\n', ["items.item"], True),
        ("one object on one line without", '{"a":1}\n', ["items.item"], False),
        ("the path comes late in the object", '{"x":{"items":1},"y":[2],"items":[]}', ["items.item"], True),
        ("an object over lines without", '{\n"a":1\n}', ["items.item"], False),
        ("a list and a path into lists", '[{"a":1},{"b":2}]', ["item"], True),
        ("a list and no such path", '[{"a":1},{"b":2}]', ["items.item"], False),
        ("a list over lines and no such path", '[\n{"a":1},\n{"b":2}\n]', ["items.item"], False),
        ("lines, of which the second has the path", '{"a":1}\n{"items":[1]}\n', ["items.item"], False),
        ("a first object that is broken", '{"a" 1}\n{"items":[1]}\n', ["items.item"], False),
        ("the whole document as the path", '{"a":1}\n', [""], True),
        ("any member as the path", '{"a":1}\n', ["*"], True),
    ],
)
def test_the_first_object_decides(name, text, paths, is_document):
    parse_everyhow(text, make=either(*paths))
    parser = AutoParser(paths)
    parser.feed(text)
    parser.close()

    assert parser.is_document is is_document, name


def test_the_choice_is_made_as_early_as_it_can_be():
    parser = AutoParser(["items.item"])

    assert parser.feed('{"title": "x", "ite') == []
    assert parser.is_document is None
    assert parser.feed('ms": [{"a": 1}')[0].value == {"a": 1}
    assert parser.is_document


def test_lines_are_given_out_from_the_first_one_on():
    parser = AutoParser(["items.item"])

    assert [result.value for result in parser.feed('{"a": 1}\n{"b"')] == [{"a": 1}]


def test_a_list_of_lines_is_given_out_before_it_ends():
    parser = AutoParser(["items.item"])

    assert len(parser.feed('[{"a": 1},\n{"b": 2},\n{"c"')) == 2


def test_what_is_held_is_limited_and_an_object_longer_than_a_line_is_a_document():
    limits = Limits(max_line_bytes=200)
    long = '{"reasoning":"' + "x" * 300 + '","items":[1]}'

    results, end = parse_everyhow(long, make=either("items.item"), limits=limits)

    # The skipped string is over the limit of one value; what follows is read.
    assert (found(results), reasons(results), end.kind) == ([("/items/0", 1)], ["too_long"], "complete")


def test_prose_longer_than_a_line_is_followed_by_lines():
    results, _ = parse_everyhow(
        "Well. " * 60 + "\n" + LINES, make=either("items.item"), limits=Limits(max_line_bytes=200)
    )

    assert values(results) == [{"a": 1}, {"b": 2}]


def test_an_answer_that_decides_nothing_is_read_as_lines():
    assert parse_everyhow('{"title":"x","pa', make=either("items.item"))[1].kind == "truncated"
    assert parse_everyhow("I am sorry.", make=either("items.item"))[1].kind == "invalid"
    assert parse_everyhow("", make=either("items.item"))[1].kind == "complete"


def test_half_of_a_surrogate_pair_is_counted_once():
    parser = AutoParser(["items.item"])
    results = parser.feed('{"items":["\ud83d') + parser.feed('\ude00","\ud800"]}')

    assert values(results) == ["😀", "\ufffd"]
    assert parser.close()[1].replaced == 1


def test_a_closed_parser_says_that_it_is_closed():
    parser = AutoParser(["items.item"])
    parser.close()

    with pytest.raises(ParserError, match="closed"):
        parser.feed("x")
    with pytest.raises(ParserError, match="closed"):
        parser.close()
