import tracemalloc
from itertools import pairwise

import pytest

from outbox import wire
from streaming.parsers import Limits, NdjsonParser, ParserError, Position, Reason, Rejected
from streaming.parsers.limits import HIGHEST_DEPTH
from streaming.parsers.values import ValueReader
from tests.unit.streaming.parsers.runs import parse, parse_everyhow, reasons, values
from workflows.engine.storable import MAX_LEVELS


def nested(depth: int) -> str:
    return '{"a":' * (depth - 1) + "{}" + "}" * (depth - 1)


@pytest.mark.parametrize("separator", ["", "\n"], ids=["on one line", "over lines"])
@pytest.mark.parametrize("depth", [1, 63, 64, 65, 200])
def test_depth_is_limited(depth, separator):
    text = nested(depth).replace(":", ":" + separator) + '\n{"ok":1}\n'

    results, _ = parse_everyhow(text)

    assert ("too_deep" in reasons(results)) == (depth > 64)
    assert values(results)[-1] == {"ok": 1}
    assert (len(values(results)) == 2) == (depth <= 64)


def test_depth_is_limited_to_what_can_be_stored():
    with pytest.raises(ParserError, match="at most 200"):
        Limits(max_depth=201)
    assert HIGHEST_DEPTH <= MAX_LEVELS

    text = nested(200).replace("{}", '"\\u0000"')
    results, _ = parse_everyhow(text, limits=Limits(max_depth=200))
    assert reasons(results) == []
    assert wire.encode(results[0].value)


def test_a_wide_object_is_not_a_deep_one():
    results, _ = parse_everyhow('{"a":[' + "{}," * 100 + "{}]}")

    assert values(results) == [{"a": [{}] * 101}]


def test_a_depth_bomb_of_two_million_levels_costs_one_line():
    results, _ = parse('{"a":' * 2_000_000 + '\n{"ok":1}\n')

    assert reasons(results) == ["too_long"]
    assert values(results) == [{"ok": 1}]
    assert results[0].size == 10_000_000
    assert len(results[0].raw) == 65_536


@pytest.mark.parametrize(
    ("number", "is_taken"),
    [
        ("1" * 18, True),
        ("0." + "1" * 62, True),
        ("0." + "1" * 63, False),
        ("-" + "0." + "1" * 62, False),
        ("1e308", True),
        ("1e309", False),
        ("-1e309", False),
        ("1e-400", True),
        ("9223372036854775808", False),
        ("-9223372036854775809", False),
        ("1" * 5000, False),
        ("01", False),
        ("1.", False),
        (".5", False),
        ("+1", False),
        ("0x10", False),
        ("1_000", False),
        ("--1", False),
    ],
)
def test_numbers_are_limited_before_they_are_built(number, is_taken):
    results, _ = parse_everyhow(f'{{"n":{number}}}\n{{"ok":1}}\n')

    assert (len(values(results)) == 2) == is_taken
    assert values(results)[-1] == {"ok": 1}


@pytest.mark.parametrize("filler", ["x", "ä", "\\n"])
def test_a_string_may_be_as_long_as_its_limit_and_not_longer(filler):
    limits = Limits(max_string_bytes=24)
    units = 24 // len(filler.encode())
    fits, over = (f'{{"s":"{filler * count}"}}' for count in (units, units + 1))

    results, _ = parse_everyhow(f"{fits}\n{over}\n{fits}{over}{fits}\n", limits=limits)

    assert reasons(results) == ["string_too_long"] * 2
    assert len(values(results)) == 3


def test_a_long_string_on_its_way_is_dropped_at_the_line_limit():
    limits = Limits(max_line_bytes=100, max_string_bytes=50, max_raw_bytes=10)

    results, _ = parse_everyhow('{"s":"' + "x" * 500 + '"}\n{"ok":1}\n', limits=limits)

    assert results[0] == Rejected(Reason.TOO_LONG, Position(1, 0), '{"s":"xxxx', size=508)
    assert values(results) == [{"ok": 1}]


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_line_may_be_as_long_as_its_limit_and_not_longer(line_end):
    text = line_end.join(['{"a":"12"}', '{"a":"123"}', '{"b":1}', ""])

    results, _ = parse_everyhow(text, limits=Limits(max_line_bytes=10))

    assert values(results) == [{"a": "12"}, {"b": 1}]
    assert reasons(results) == ["too_long"]


def test_an_object_that_does_not_close_is_held_up_to_the_limit_and_no_further():
    limits = Limits(max_line_bytes=40)

    results, end = parse_everyhow('{"x":[\n' + '  "filler",\n' * 3 + '{"a":1}\n', limits=limits)

    assert reasons(results) == ["too_long"]
    assert results[0].raw == '{"x":[\n' + '  "filler",\n' * 2 + '  "filler",'
    assert values(results) == [{"a": 1}]
    assert end.kind == "complete"


def test_items_are_limited_and_the_parser_says_that_it_has_stopped():
    parser = NdjsonParser(Limits(max_items=2))

    results = parser.feed('{"a":1}\n' * 5)

    assert len(values(results)) == 2
    assert results[-1] == Rejected(Reason.TOO_MANY_ITEMS, Position(3, 16), '{"a":1}', size=7)
    assert parser.is_stopped
    assert parser.feed('{"a":1}\n') == []
    assert parser.close()[1].kind == "invalid"


def test_an_answer_is_limited_in_length():
    results, end = parse_everyhow('{"a":1}\n{"b":2}\n', limits=Limits(max_document_bytes=12))

    assert values(results) == [{"a": 1}]
    assert results[-1] == Rejected(Reason.DOCUMENT_TOO_LONG, Position(2, 8), '{"b"', size=4)
    assert end.kind == "invalid"
    assert parse_everyhow('{"a":1}\n', limits=Limits(max_document_bytes=8))[1].kind == "complete"


def test_memory_stays_flat_on_a_long_stream():
    limits = Limits(max_document_bytes=10**9, max_items=10**6)
    chunk = (b'{"quote":"' + b"x" * 100 + b'"}\n' + b"y" * 2_000) * 200
    parser = NdjsonParser(limits)
    tracemalloc.start()
    try:
        for _ in range(100):
            parser.feed(chunk)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert parser.close()[1].items == 20_000
    assert peak < 4_000_000


def looks(monkeypatch, text: str, *, size: int) -> int:
    """How many characters the parser hands to its readers, the measure of its work."""
    total = 0

    def count(reader, text, start=0, **options):
        nonlocal total
        total += len(text) - start
        return original(reader, text, start, **options)

    original = ValueReader.read
    with monkeypatch.context() as patch:
        patch.setattr(ValueReader, "read", count)
        parse(text, cuts=range(0, len(text), size))
    return total


@pytest.mark.parametrize(
    "line",
    [
        '{"quote":"The tenant shall pay","page":3}\n',
        '{\n"quote":\n"The tenant shall pay",\n"page":3}\n',
        '{"quote":"The tenant\n{"page":\n',
    ],
    ids=["whole", "over lines", "broken"],
)
def test_the_work_grows_with_the_length_and_not_with_the_number_of_chunks(monkeypatch, line):
    small, large = line * 50, line * 800

    assert looks(monkeypatch, large, size=7) <= 17 * looks(monkeypatch, small, size=7)
    assert looks(monkeypatch, large, size=1) == looks(monkeypatch, large, size=10**6)


@pytest.mark.parametrize("limits", [Limits(), Limits(max_line_bytes=10**7, max_document_bytes=10**7)])
def test_one_object_over_very_many_lines_is_read_in_one_pass(limits):
    rows = 60_000
    text = '{"rows":[\n' + '"some text",\n' * rows + '"end"]}\n'

    # Joining and parsing at every line would look at some 20 billion characters: minutes instead of a second.
    (parsed,), _ = parse(text, cuts=range(0, len(text), 50), limits=limits)

    assert len(parsed.value["rows"]) == rows + 1


def test_many_objects_on_one_line_are_read_in_one_pass():
    text = "[" + '{"a":"ä"},' * 60_000 + "]"

    results, end = parse(text, cuts=[len(text) // 2], limits=Limits(max_items=10**6))

    assert end.items == 60_000
    assert all(later.position.offset > earlier.position.offset for earlier, later in pairwise(results))
