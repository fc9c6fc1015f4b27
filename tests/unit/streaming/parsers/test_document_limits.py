import tracemalloc

import ijson
import pytest

from streaming.parsers import DocumentParser, Limits, Position, Reason, Rejected, skipping
from streaming.parsers.places import Locator
from tests.unit.streaming.parsers.runs import documents, found, parse, parse_everyhow, reasons, values

ITEMS = documents("items.item")


def nested(depth: int, opening: str = "[", closing: str = "]") -> str:
    return opening * depth + closing * depth


@pytest.mark.parametrize("where", ["items", "skipped"])
@pytest.mark.parametrize("depth", [61, 62, 63, 200])
def test_depth_is_counted_from_the_document_on(depth, where):
    inner = nested(depth) if where == "items" else f"[{nested(depth - 1)}]"
    text = f'{{"{where}":[{inner}],"items":[1]}}' if where == "skipped" else f'{{"items":[{inner},1]}}'

    results, end = parse_everyhow(text, make=ITEMS)

    assert reasons(results) == (["too_deep"] if depth > 62 else [])
    assert values(results)[-1] == 1
    assert end.kind == "complete"


@pytest.mark.parametrize("where", ["items", "skipped"])
def test_a_depth_bomb_of_half_a_million_levels_costs_itself(where):
    results, _ = parse(
        f'{{"{where}":[' + nested(500_000) + '],"x":[{"a":1}],"summary":1}',
        make=documents("items.item", "summary"),
    )

    assert reasons(results) == ["too_deep"]
    assert results[-1].value == 1
    assert len(results[0].raw) == 65_536


@pytest.mark.parametrize("text", ["[" * 500_000, '{"x":' * 500_000, '{"items":[' + "[" * 500_000])
def test_a_depth_bomb_that_never_closes_ends_as_truncated(text):
    results, end = parse(text, make=documents("items.item"), cuts=range(0, len(text), 1_000))

    assert end.kind == "truncated"
    assert len(results) == 1


@pytest.mark.parametrize(
    "where", ['{{"items":[{0},1]}}', '{{"x":[{0}],"items":[1]}}', '{{"x":{0},"items":[1]}}']
)
@pytest.mark.parametrize("filler", ["x", "ä", "\\n"])
def test_a_string_may_be_as_long_as_its_limit_and_not_longer(filler, where):
    limits = Limits(max_string_bytes=24)
    units = 24 // len(filler.encode())
    fits, over = (where.format(f'"{filler * count}"') for count in (units, units + 1))

    assert reasons(parse_everyhow(fits, make=ITEMS, limits=limits)[0]) == []
    results, _ = parse_everyhow(over, make=ITEMS, limits=limits)
    assert reasons(results) == ["string_too_long"]
    assert values(results) == [1]


@pytest.mark.parametrize(
    "where", ['{{"items":[{0},1]}}', '{{"x":[{0}],"items":[1]}}', '{{"x":{0},"items":[1]}}']
)
@pytest.mark.parametrize(
    ("digits", "is_taken"), [("0." + "1" * 62, True), ("9" * 65, False), ("0." + "9" * 65, False)]
)
def test_a_number_may_be_as_long_as_its_limit_and_not_longer(digits, is_taken, where):
    results, _ = parse_everyhow(where.format(digits), make=ITEMS)

    assert reasons(results) == ([] if is_taken else ["number_too_long"])
    assert values(results)[-1] == 1


def test_a_value_may_be_as_long_as_its_limit_and_not_longer():
    limits = Limits(max_line_bytes=10, max_raw_bytes=4)

    results, _ = parse_everyhow(
        '{"items":[{"a":"12"},{"a":"123"},1],"x":[1,2,3,4,5,6,7]}', make=ITEMS, limits=limits
    )

    assert found(results) == [("/items/0", {"a": "12"}), ("/items/2", 1)]
    assert results[1] == Rejected(
        Reason.TOO_LONG, Position(1, 21), '{"a"', 11, detail="11 bytes", pointer="/items/1", path="items.item"
    )


def test_values_are_limited_in_number_and_the_parser_says_that_it_has_stopped():
    parser = DocumentParser(["item"], Limits(max_items=2))

    results = parser.feed('[1, {"a":2}, {"a":3}, 4]')

    assert values(results) == [1, {"a": 2}]
    assert results[-1] == Rejected(
        Reason.TOO_MANY_ITEMS, Position(1, 13), '{"a":3}', size=7, pointer="/2", path="item"
    )
    assert parser.is_stopped
    assert parser.feed("[5]") == []
    assert parser.close()[1].kind == "invalid"


def test_an_answer_is_limited_in_length():
    results, end = parse_everyhow('{"items":[1,"23456"]}', make=ITEMS, limits=Limits(max_document_bytes=15))

    assert values(results) == [1]
    assert (results[-1].reason, results[-1].raw, results[-1].pointer) == (
        Reason.DOCUMENT_TOO_LONG,
        '"23',
        "/items/1",
    )
    assert end.kind == "invalid"
    assert (
        parse_everyhow('{"items":[1]}', make=ITEMS, limits=Limits(max_document_bytes=13))[1].kind
        == "complete"
    )


def test_a_broken_document_stops_the_parser_when_enough_of_the_rest_is_kept():
    parser = DocumentParser(["item"], Limits(max_raw_bytes=8))
    parser.feed('[1 "23')

    assert not parser.is_stopped
    parser.feed("45678")
    assert parser.is_stopped
    assert parser.close()[0] == [
        Rejected(Reason.SYNTAX, Position(1, 3), '"2345678', 8, detail="between two values")
    ]


@pytest.mark.parametrize(
    ("opening", "unit"),
    [
        ('{"items":[', b'{"quote":"' + b"x" * 400 + b'"},'),
        ('{"skipped":[', b'{"quote":["' + b"x" * 400 + b'", 12, null]},'),
        ('{"skipped":"', b"a string that never ends "),
        ('{"skipped":[', b"1"),
        ('{"skipped":["', b"a string that never ends "),
        ("Prose. ", b"And more of it. "),
        ('{"items":[1]}', b" and more prose."),
        ('{"items":[1}', b" and what is lost."),
        ("", b'{"a": 1} {x} [1] and so on, for a while, with more of this and that '),
    ],
)
@pytest.mark.parametrize("size", [24, 8_192])
def test_memory_stays_flat_on_a_long_stream(opening, unit, size):
    limits = Limits(
        max_document_bytes=10**9,
        max_items=10**6,
        max_line_bytes=16_384,
        max_string_bytes=8_192,
        max_raw_bytes=8_192,
        max_prose_bytes=8_192,
    )
    parser = DocumentParser(["items.item"], limits)
    parser.feed(opening)
    data = unit * (8_192 // len(unit))
    chunks = [data[start : start + size] for start in range(0, len(data), size)]
    tracemalloc.start()
    try:
        for _ in range(60):
            for chunk in chunks:
                parser.feed(chunk)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 250_000


@pytest.mark.parametrize(
    "text",
    [
        '{"items":[' + '{"a":{"b":[{"c":"ä"}]}},' * 40_000 + "1]}",
        '{"items":[[' + '{"a":{"b":[{"c":"ä"}]}},' * 40_000 + "1]]}",
        '{"skipped":[' + '{"a":{"b":[{"c":"ä"}]}},' * 40_000 + "1]}",
        '{"items":["' + "x" * 1_000_000 + '"]}',
        '{"items":[' + "1," * 200_000 + "1]}",
        '{"sections":{' + ",".join(f'"{n}":{n}' for n in range(80_000)) + "}}",
        "{" * 1_000_000,
        '{"' * 400_000,
        "[1] " * 250_000,
        "{x} " * 250_000,
        '{"a":1} ' * 30_000,
        '{"items":[1]} ' + '{ "' * 300_000,
    ],
    ids=range(12),
)
def test_any_megabyte_in_small_chunks_is_read_in_one_pass(text, monkeypatch):
    limits = Limits(max_items=10**6, max_line_bytes=2_000_000, max_string_bytes=2_000_000)
    looked_at: list[int] = []
    turn_to = Locator.turn_to

    def count(locator, block, *, after):
        looked_at.append(len(block))
        turn_to(locator, block, after=after)

    monkeypatch.setattr(Locator, "turn_to", count)
    parse(text, cuts=range(0, len(text), 24), make=documents("items.item", "sections.*"), limits=limits)

    assert sum(looked_at) < 2 * len(text.encode())


def test_the_fast_backend_is_there():
    assert skipping.fault_of_backend() == ""


def test_without_the_fast_backend_documents_are_read_all_the_same(monkeypatch):
    monkeypatch.setattr(skipping, "BACKEND", ijson.get_backend("python"))

    results, end = parse_everyhow('{"x":[1,{"y":"z"}],"bad":[1,],"items":[{"a":1}]}', make=ITEMS)

    assert "python" in skipping.fault_of_backend()
    assert (reasons(results), values(results), end.kind) == (["syntax"], [{"a": 1}], "complete")
