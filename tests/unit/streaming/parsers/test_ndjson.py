import pytest

from streaming.parsers import Limits, NdjsonParser, Parsed, ParserError, Position, Reason, Rejected
from tests.unit.streaming.parsers.corpus import ANSWERS, LINES
from tests.unit.streaming.parsers.runs import parse, parse_everyhow, reasons, values


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer.name)
def test_every_broken_answer_gives_its_items_however_it_is_cut(answer):
    results, end = parse_everyhow(answer.text)

    assert values(results) == answer.items
    assert reasons(results) == answer.rejected
    assert (end.kind, end.items, end.rejected) == (answer.kind, len(answer.items), len(answer.rejected))


# A line that becomes invalid only later is a whole object until then.
VALID = [answer for answer in ANSWERS if "invalid_utf8" not in answer.rejected]


@pytest.mark.parametrize("answer", VALID, ids=lambda answer: answer.name)
def test_an_answer_cut_anywhere_never_shows_an_item_that_the_whole_does_not_have(answer):
    data = answer.text.encode() if isinstance(answer.text, str) else answer.text
    for length in range(len(data)):
        results, end = parse(data[:length], truncated=True)

        assert values(results) == answer.items[: len(values(results))]
        assert end.kind == "truncated"


def test_results_say_where_they_stood():
    results, _ = parse_everyhow('Völlig klar:\n[{"ä":1}, {"b":2},\n{"x":,}\n')

    assert [result.position for result in results] == [Position(2, 15), Position(2, 25), Position(3, 34)]


def test_a_rejected_piece_keeps_its_text_in_a_form_that_any_database_stores():
    (broken, cut), _ = parse_everyhow(b'{"x":"\0\xff"}\n{"y":"\xc3\xa4')

    assert (broken.reason, broken.raw, broken.size) == (Reason.INVALID_UTF8, '{"x":"\ufffd\\xff"}', 10)
    assert broken.detail == "invalid start byte, byte 7"
    assert (cut.reason, cut.raw, cut.size) == (Reason.TRUNCATED, '{"y":"ä', 8)


def test_an_object_over_several_lines_is_rejected_with_all_of_them():
    (rejected,), _ = parse_everyhow('{\n  "x": 1,\n}\n')

    assert rejected == Rejected(
        Reason.SYNTAX,
        Position(1, 0),
        raw='{\n  "x": 1,\n}',
        size=13,
        detail="Expecting property name enclosed in double quotes, character 13",
    )


def test_the_detail_of_a_rejection_never_quotes_the_answer():
    results, _ = parse('{"secret": "word" oops}\n{"secret":1,"secret":2}\n{"x":' + "7" * 65 + "}\n")

    assert len(results) == 3
    assert not any(word in result.detail for result in results for word in ("secret", "word", "oops", "777"))


def test_replaced_characters_are_counted():
    assert parse('{"x\\u0000":"\\ud800x\\udfff"}\n')[1].replaced == 3
    assert parse('{"x":"\ud800"}\n')[1].replaced == 1


def test_text_chunks_may_split_a_surrogate_pair():
    results, end = parse('{"x":"\ud83d\ude00 \ude00\ud83d"}\n', cuts=range(16))

    assert values(results) == [{"x": "😀 \ufffd\ufffd"}]
    assert end.replaced == 2


def test_prose_is_kept_aside_without_fences_and_within_its_limit():
    _, end = parse_everyhow(f"Here:\n```json\n{LINES}```\n" + "ä" * 20, limits=Limits(max_prose_bytes=17))

    assert end.prose == "Here:\n" + "ä" * 5


def test_a_truncated_answer_is_not_complete_even_if_every_object_in_it_is():
    results, end = parse_everyhow(LINES, truncated=True)

    assert len(values(results)) == 3
    assert end.kind == "truncated"


def test_an_item_is_given_out_with_the_chunk_that_ends_its_line():
    parser = NdjsonParser()

    assert parser.feed('{"a":1}') == []
    assert parser.feed("\n{") == [Parsed({"a": 1}, Position(1, 0))]


def test_a_closed_parser_says_that_it_is_closed():
    parser = NdjsonParser()
    parser.close()

    with pytest.raises(ParserError, match="closed"):
        parser.feed("x")
    with pytest.raises(ParserError, match="closed"):
        parser.close()
