"""What tokens cost."""

from decimal import Decimal

import pytest
from pydantic import ValidationError

from streaming.conf import StreamingSettings
from streaming.prices import Price, estimated_tokens, price_of

CHEAP = Price(input=Decimal("0.4"), output=Decimal("1.6"))
DEAR = Price(input=Decimal(2), output=Decimal(8), cached_input=Decimal("0.5"))


def test_prices_are_of_a_million_tokens() -> None:
    assert CHEAP.of(tokens_in=1_000_000, tokens_out=500_000) == Decimal("1.2")
    assert CHEAP.of(tokens_in=1, tokens_out=0) == Decimal("0.0000004"), "nothing is rounded away"


def test_what_the_provider_had_read_before_costs_less_where_the_table_says_so() -> None:
    assert DEAR.of(tokens_in=1_000_000, tokens_out=0, tokens_cached=1_000_000) == Decimal("0.5")
    assert DEAR.of(tokens_in=1_000_000, tokens_out=0, tokens_cached=250_000) == Decimal("1.625")
    assert CHEAP.of(tokens_in=1_000_000, tokens_out=0, tokens_cached=250_000) == Decimal("0.4")
    assert DEAR.of(tokens_in=10, tokens_out=0, tokens_cached=99) == DEAR.of(
        tokens_in=10, tokens_out=0, tokens_cached=10
    )


def test_a_model_has_the_price_of_its_name_else_of_the_longest_pattern_that_fits() -> None:
    table = {"*": CHEAP, "gpt-4.1*": DEAR, "gpt-4.1-mini*": CHEAP, "gpt-4.1-mini": DEAR}
    assert price_of("gpt-4.1-mini", table) is DEAR
    assert price_of("gpt-4.1-mini-2025-04-14", table) is CHEAP
    assert price_of("gpt-4.1-2025-04-14", table) is DEAR
    assert price_of("llama", table) is CHEAP
    assert price_of("llama", {"gpt*": DEAR}) is None


def test_a_name_with_brackets_has_its_price_by_its_very_name() -> None:
    assert price_of("my[model]", {"my[model]": DEAR}) is DEAR


def test_tokens_are_estimated_from_bytes_and_never_to_nothing() -> None:
    assert [estimated_tokens(size) for size in (0, 1, 4, 5)] == [0, 1, 1, 2]


@pytest.mark.parametrize("name", ["offline", "recorded"])
def test_our_own_models_are_free_unless_the_table_names_them(name: str) -> None:
    def price(table: str) -> Price | None:
        return price_of(name, StreamingSettings(model_prices=table).model_prices)  # type: ignore[arg-type]

    free = Price(input=Decimal(0), output=Decimal(0))
    assert [price(table) for table in ("", '{"*": {"input": 1, "output": 2}}')] == [free, free]
    assert price(f'{{"{name}": {{"input": 1, "output": 2}}}}') == Price(input=Decimal(1), output=Decimal(2))


def test_the_table_is_read_from_json() -> None:
    given = StreamingSettings(model_prices='{"gpt*": {"input": 0.15, "output": 0.6}}')  # type: ignore[arg-type]
    assert given.model_prices["gpt*"] == Price(input=Decimal("0.15"), output=Decimal("0.6"))


def test_an_empty_setting_is_not_set() -> None:
    empty = StreamingSettings(model_prices="")  # type: ignore[arg-type]
    assert empty.model_prices == StreamingSettings().model_prices


@pytest.mark.parametrize(
    "table",
    ["cheap", "[]", '{"m": 3}', '{"m": {"input": 1}}', '{"m": {"input": -1, "output": 1}}',
     '{"m": {"input": 1, "output": 1, "outptu": 1}}', '{"m": {"input": NaN, "output": 1}}'],
)  # fmt: skip
def test_a_table_that_makes_no_sense_is_refused(table: str) -> None:
    with pytest.raises(ValidationError):
        StreamingSettings(model_prices=table)  # type: ignore[arg-type]
