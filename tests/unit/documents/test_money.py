from decimal import Decimal

import pytest

from documents.rules.money import find_money, last_number, only_currency, parse_number


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1,250.00", "1250.00"),
        ("1.250,00", "1250.00"),
        ("1'250", "1250"),
        ("1 250", "1250"),
        ("12,5", "12.5"),
        ("1.250", "1250"),
        ("1,250,000", "1250000"),
        ("0.99", "0.99"),
    ],
)
def test_a_number_is_read_in_the_notation_it_is_written_in(text, value):
    assert parse_number(text) == Decimal(value)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a rent of €2,400.00 a month", [("2400.00", "EUR")]),
        ("1.250,00 € due", [("1250.00", "EUR")]),
        ("pay USD 1.5 million", [("1500000", "USD")]),
        ("£1.2m and $250 thousand", [("1200000", "GBP"), ("250000", "USD")]),
        ("12 500 euros", [("12500", "EUR")]),
        ("CHF 2'184.16", [("2184.16", "CHF")]),
        ("a refund of -€50.00", [("-50.00", "EUR")]),
        ("Deposit - EUR 500", [("500", "EUR")]),
        ("A$75 or C$80", [("75", "AUD"), ("80", "CAD")]),
        ("1 February 2027 €310.00", [("310.00", "EUR")]),
        ("8% of 2027, clause 3.1", []),
        ("order 4711 of 12 items", []),
    ],
)
def test_money_is_a_number_beside_a_currency(text, found):
    assert [(f"{money.value:f}", money.currency) for money in find_money(text)] == found


def test_a_sum_is_found_where_it_stands():
    text = "Rent: EUR 900.00."
    (money,) = find_money(text)
    assert text[money.start : money.end] == "EUR 900.00"


def test_numbers_beyond_all_reason_are_left_out():
    assert not list(find_money("EUR " + "9" * 40))


def test_a_row_takes_the_currency_of_its_page_only_for_a_number_with_decimals():
    row = last_number("Consulting, October 12 150.00 1'800.00", currency="CHF")
    assert row is not None
    assert (row.value, row.currency) == (Decimal("1800.00"), "CHF")
    assert last_number("Page 3 of 12", currency="CHF") is None
    assert last_number("1'800.00", currency="CHF") is None


def test_a_page_has_a_currency_only_when_it_names_exactly_one():
    assert only_currency("Amount (CHF)") == "CHF"
    assert only_currency("€ 5 and EUR 6") == "EUR"
    assert only_currency("€ 5 and $ 6") is None
    assert only_currency("no money here") is None
