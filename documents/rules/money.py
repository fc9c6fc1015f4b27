"""Money as it is written: a currency beside a number, in the usual notations."""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

SYMBOLS = {
    "€": "EUR", "£": "GBP", "¥": "JPY", "₹": "INR", "$": "USD", "US$": "USD", "A$": "AUD", "AU$": "AUD",
    "C$": "CAD", "CA$": "CAD", "NZ$": "NZD", "S$": "SGD", "HK$": "HKD", "Fr.": "CHF", "R$": "BRL",
}  # fmt: skip
CODES = r"EUR|USD|GBP|CHF|JPY|CAD|AUD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|RON|BGN|INR|CNY|SGD|HKD|ZAR|BRL|MXN|AED|ILS|TRY|KRW"
WORDS = {
    "euros": "EUR", "euro": "EUR", "us dollars": "USD", "dollars": "USD", "pounds sterling": "GBP",
    "pounds": "GBP", "swiss francs": "CHF", "francs": "CHF", "yen": "JPY",
}  # fmt: skip
SCALES = {"thousand": 3, "k": 3, "million": 6, "m": 6, "billion": 9, "bn": 9}
MAX_DIGITS = 18

_SYMBOL = "|".join(re.escape(symbol) for symbol in sorted(SYMBOLS, key=len, reverse=True))
_WORD = "|".join(word.replace(" ", r"\s+") for word in WORDS)
_NUMBER = (
    r"\d{1,3}(?:[.,'’ \u00a0\u202f]\d{3})+(?:[.,]\d{1,2})?(?!\d)"  # in groups of three
    r"|\d{1,15}(?:[.,]\d{1,2})?(?!\d)"
)
_SCALE = r"(?:\s?(?P<scale{0}>(?i:thousand|million|billion|bn|k|m))\b)?"
# A currency that a further number follows belongs to that one: "1 February 2027 €310.00".
_AFTER = rf"(?:(?P<after>[€£])(?!\s?\d)|(?P<code_after>{CODES})\b(?!\s?\d)|(?P<word>(?i:{_WORD}))\b)"
MONEY = re.compile(
    rf"(?P<minus>[-−]\s?)?(?:"
    rf"(?:(?P<before>{_SYMBOL})|\b(?P<code>{CODES}))\s?(?P<dash>[-−])?(?P<number>{_NUMBER}){_SCALE.format(1)}"
    rf"|(?<![\w.,])(?P<number_first>{_NUMBER}){_SCALE.format(2)}\s?{_AFTER}"
    rf")"
)
LAST_NUMBER = re.compile(
    r"(?<![\w.,'’])(?P<minus>[-−]\s?)?(?P<number>\d{1,3}(?:[.,'’]\d{3})*[.,]\d{2}|\d{1,15}[.,]\d{2})\s*$"
)


class Money(NamedTuple):
    start: int
    end: int
    value: Decimal
    currency: str  # ISO 4217


def find_money(text: str) -> Iterator[Money]:
    for match in MONEY.finditer(text):
        value = _value(match)
        if len(value.as_tuple().digits) <= MAX_DIGITS:
            yield Money(*match.span(), value, _currency(match))


def last_number(text: str, *, currency: str) -> Money | None:
    """The number with two decimals that a table's row ends with."""
    match = LAST_NUMBER.search(text)
    if match is None or not any(char.isalpha() for char in text[: match.start()]):
        return None
    value = parse_number(match["number"])
    return Money(*match.span(), -value if match["minus"] else value, currency)


def only_currency(text: str) -> str | None:
    """The currency of a page that names exactly one, beside a number or alone, as in a table's head."""
    codes = {SYMBOLS[symbol] for symbol in re.findall(_SYMBOL, text)}
    codes |= set(re.findall(rf"\b({CODES})\b", text))
    return codes.pop() if len(codes) == 1 else None


def parse_number(text: str) -> Decimal:
    """1,250.00 and 1.250,00 and 1'250 alike: the last mark is the decimal one unless three digits follow it."""
    marks = [char for char in text if not char.isdigit()]
    tail = text.rpartition(marks[-1])[2] if marks else ""
    digits = "".join(char for char in text if char.isdigit())
    if marks and marks[-1] in ".," and len(tail) != 3:
        return Decimal(digits).scaleb(-len(tail))
    return Decimal(digits)


def _value(match: re.Match[str]) -> Decimal:
    value = parse_number(match["number"] or match["number_first"])
    scale = (match["scale1"] or match["scale2"] or "").lower()
    value = value.scaleb(SCALES[scale]) if scale else value
    # A minus stands close to its number; after words, with a space, it is a dash: "Deposit - EUR 500".
    is_negative = match["dash"] or match["minus"] in ("-", "−")
    return -value if is_negative else value


def _currency(match: re.Match[str]) -> str:
    symbol = match["before"] or match["after"]
    if symbol:
        return SYMBOLS[symbol]
    return match["code"] or match["code_after"] or WORDS[" ".join(match["word"].lower().split())]
