import pytest

from streaming.parsers import DocumentParser, Parsed, ParserError, Position, Reason, Rejected
from tests.unit.streaming.parsers.document_corpus import ALL, DOCUMENT, DOCUMENTS
from tests.unit.streaming.parsers.runs import documents, found, parse, parse_everyhow, reasons


@pytest.mark.parametrize("answer", DOCUMENTS, ids=lambda answer: answer.name)
def test_every_broken_document_gives_its_values_however_it_is_cut(answer):
    results, end = parse_everyhow(answer.text, make=documents(*answer.paths))

    assert found(results) == answer.found
    assert reasons(results) == answer.rejected
    assert (end.kind, end.items, end.rejected) == (answer.kind, len(answer.found), len(answer.rejected))


# A value that becomes invalid only later is a whole one until then.
VALID = [answer for answer in DOCUMENTS if answer.kind == "complete" and "trailing" not in answer.rejected]


@pytest.mark.parametrize("answer", VALID, ids=lambda answer: answer.name)
def test_a_document_cut_anywhere_never_shows_what_the_whole_does_not_have(answer):
    data = answer.text.encode() if isinstance(answer.text, str) else answer.text
    for length in range(len(data)):
        results, end = parse(data[:length], make=documents(*answer.paths), truncated=True)

        assert found(results) == answer.found[: len(found(results))]
        assert end.kind == "truncated"


@pytest.mark.parametrize(
    "inner", ['{"a": {"b": [1]}}', '{"a": [[{"b": {"c": "}"}}]]}', '{"a": {"b": {"c": {}}}}']
)
def test_a_nested_value_does_not_wait_for_what_follows(inner):
    parser = DocumentParser(["items.item"])
    text = '{"items": [' + inner
    given = [parser.feed(character) for character in text]

    assert [len(results) for results in given] == [0] * (len(text) - 1) + [1]


def test_each_kind_of_value_is_given_out_with_the_chunk_that_closes_it():
    parser = DocumentParser(["items.item", "summary"])

    assert parser.feed('{"items": [{"a": 1') == []
    assert parser.feed("}") == [Parsed({"a": 1}, Position(1, 11), "/items/0", "items.item")]
    assert parser.feed(', "x"') == [Parsed("x", Position(1, 21), "/items/1", "items.item")]
    assert parser.feed(", 12") == []
    assert parser.feed("]") == [Parsed(12, Position(1, 26), "/items/2", "items.item")]
    assert parser.feed(', "summary": "y"') == [Parsed("y", Position(1, 42), "/summary", "summary", "summary")]


@pytest.mark.parametrize("size", [7, 24, 31])
def test_nor_does_one_in_whose_last_chunk_the_next_begins(size):
    parser = DocumentParser(["items.item"])
    item = '{"a":{"b":[{"c":"}{{"}]}},'
    text = '{"items":[' + item * 200

    for start in range(0, len(text), size):
        for result in parser.feed(text[start : start + size]):
            assert start < result.position.offset + len(item) - 1 <= start + size
    assert parser.close()[1].items == 200


def test_a_long_value_is_given_out_at_once_though_brackets_close_within_it():
    parser = DocumentParser(["item"])
    inner = '{"x": {"y": [1]}}, ' * 2_000

    results = [result for chunk in ("[[", inner, "0") for result in parser.feed(chunk)]

    assert results == []
    assert len(parser.feed("]")[0].value) == 2_001


def test_results_say_where_they_stood():
    text = 'Völlig klar:\n{"items":[{"ä":1},\n\n  {"b":2},\n{"x":,}],\n"summary":"z"}'

    results, _ = parse_everyhow(text, make=documents("items.item", "summary"))

    offsets = [text.encode().index(piece) for piece in (b'{"\xc3\xa4"', b'{"b"', b'{"x"', b'"z"')]
    assert [result.position for result in results] == list(map(Position, (2, 4, 5, 6), offsets))
    assert [result.pointer for result in results] == ["/items/0", "/items/1", "/items/2", "/summary"]


def test_members_of_a_keyed_object_come_with_their_key():
    results, _ = parse_everyhow('{"sections":{"a/b":1,"":2,"~":3}}', make=documents("sections.*"))

    assert [(result.key, result.pointer) for result in results] == [
        ("a/b", "/sections/a~1b"),
        ("", "/sections/"),
        ("~", "/sections/~0"),
    ]
    assert {result.path for result in results} == {"sections.*"}


def test_a_rejected_value_keeps_its_text_and_its_place():
    (rejected,), _ = parse_everyhow('{"items": [ {"x": 1,} ]}', make=documents("items.item"))

    assert rejected == Rejected(
        Reason.SYNTAX,
        Position(1, 12),
        '{"x": 1,}',
        size=9,
        detail="Expecting property name enclosed in double quotes, character 9",
        pointer="/items/0",
        path="items.item",
    )


def test_what_follows_a_break_is_kept_as_one_piece():
    (item, rest), end = parse_everyhow('{"items": [1 2, "\xff",\n 3]}', make=documents("items.item"))

    assert item.value == 1
    assert (rest.reason, rest.position, rest.raw) == (Reason.SYNTAX, Position(1, 13), '2, "\xff",\n 3]}')
    assert (end.kind, end.items, end.rejected) == ("invalid", 1, 1)


def test_a_value_that_was_cut_keeps_its_text_and_its_place():
    results, end = parse_everyhow('{"summary": "in the en', make=documents("summary"))

    assert results == [
        Rejected(Reason.TRUNCATED, Position(1, 12), '"in the en', size=10, pointer="/summary", path="summary")
    ]
    assert end.kind == "truncated"


def test_a_second_document_is_reported_with_its_place_and_what_stands_between_is_prose():
    results, end = parse_everyhow(
        f'{DOCUMENT}\nOr rather:\n{{"items": []}} ', make=documents("items.item", "summary")
    )

    assert found(results) == ALL
    assert results[-1].reason == Reason.TRAILING
    assert results[-1].position == Position(3, len(DOCUMENT.encode()) + 12)
    assert (end.kind, end.prose) == ("complete", "Or rather:")


def test_what_was_passed_over_is_kept_as_prose():
    text = f'Plan:\n{{"steps": ["read"]}}\nItems look like {{"a": …}}:\n```json\n{DOCUMENT}\n```\nDone.'

    _, end = parse_everyhow(text, make=documents("items.item"))

    assert end.prose == 'Plan:\n{"steps": ["read"]}\nItems look like {"a": …}:\nDone.'


def test_a_truncated_answer_is_not_complete_even_if_its_document_closed():
    assert parse_everyhow(DOCUMENT, make=documents("items.item"), truncated=True)[1].kind == "truncated"


def test_the_detail_of_a_rejection_never_quotes_the_answer():
    text = '{"items":[{"secret" "word"},{"secret":1,"secret":2},' + "7" * 65 + '],"skipped":[secret],secret'

    results, _ = parse(text, make=documents("items.item"))

    assert len(results) == 5
    assert not any(word in result.detail for result in results for word in ("secret", "word", "777"))


@pytest.mark.parametrize(
    "paths",
    [
        [],
        ["a..b"],
        ["a", "a.b"],
        ["a.*", "a.b"],
        ["*.x", "a"],
        ["", "a"],
        ["items", "items.item"],
        ["a.*.x", "a.b.x"],
    ],
)
def test_paths_that_make_no_sense_together_are_refused_at_once(paths):
    with pytest.raises(ParserError):
        DocumentParser(paths)


@pytest.mark.parametrize(
    "paths", [["a.b", "a.c"], ["*.x", "a.y"], ["item.a", "items.item"], [("a.b",), ("a", "b")]]
)
def test_paths_side_by_side_are_taken(paths):
    DocumentParser(paths)


def test_a_name_with_a_dot_is_written_as_a_tuple():
    results, _ = parse('{"v1.2": {"x": 1}, "v1": {"2": {"x": 2}}}', make=documents(("v1.2", "x")))

    assert found(results) == [("/v1.2/x", 1)]


def test_a_closed_parser_says_that_it_is_closed():
    parser = DocumentParser(["summary"])
    parser.close()

    with pytest.raises(ParserError, match="closed"):
        parser.feed("x")
    with pytest.raises(ParserError, match="closed"):
        parser.close()
