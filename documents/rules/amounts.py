"""Sums of money as findings, each named by the words around it."""

import re
from collections.abc import Iterator

from documents.rules.money import Money, find_money, last_number
from documents.rules.passages import NUMBERING, Hit, Passage, phrase, plain, quote_of, shorten

PERIODS = tuple(
    (phrase(pattern), name)
    for name, pattern in (
        ("Monthly", r"(?:per (?:calendar )?month|monthly|a month|each month|pcm)\b"),
        ("Annual", r"(?:per (?:year|annum)|annual(?:ly)?|yearly|a year)\b|p\.\s?a\."),
        ("Quarterly", r"(?:per quarter|quarterly)\b"),
        ("Weekly", r"(?:per week|weekly|a week)\b"),
        ("Daily", r"(?:per (?:calendar )?day|daily|a day)\b"),
        ("Hourly", r"(?:per hour|hourly|an hour)\b"),
    )
)
# The words nearest to the sum win; at the same place the longer ones.
TOPICS = tuple(
    (phrase(rf"(?:{pattern})\b"), title)
    for title, pattern in (
        ("Deposit", r"(?:(?:security|rental|tenancy) )?deposit"),
        ("Rent", r"rents?"),
        ("Service charge", r"service charges?"),
        ("Late fee", r"late (?:payment )?(?:fees?|charges?)"),
        ("Reminder fee", r"reminder (?:fees?|charges?)"),
        ("Subtotal", r"sub-?total|net (?:amount|total)"),
        ("Total", r"(?:grand )?total(?: \w+){0,4}?(?: (?:due|payable))?|balance due|amount due"),
        ("Tax", r"VAT|value[- ]added tax|sales tax|tax(?:es)?"),
        ("Liability limit", r"liab(?:le|ility)"),
        ("Insurance cover", r"insur(?:e|ed|ance)(?: cover)?|(?:sum|amount) insured"),
        ("Penalty", r"penalt(?:y|ies)|liquidated damages"),
        ("Discount", r"discounts?|rebates?"),
        ("Salary", r"salary|wages?|remuneration"),
        ("Price", r"(?:(?:purchase|unit|contract) )?price"),
        ("Loan", r"loan|principal"),
        ("Cleaning", r"cleaning"),
        ("Repairs", r"repairs?"),
        ("Parking", r"parking(?: spaces?)?"),
        ("Heating", r"heating"),
        ("Electricity", r"electricity"),
        ("Budget", r"budget"),
        ("Contribution", r"contribution"),
        ("Reduction", r"reduc\w+ (?:\w+ ){0,5}by"),
        ("Payment", r"pay|payments?"),
    )
)
FEE = phrase(r"([a-z]{3,}(?: [a-z]{3,})?) (fees?|charges?|costs?)\b")
FILLER = phrase(
    r"^(?:the|a|an|of|any|each|this|such|and|or|for|its|all|further|additional|pays?|by|with|per|at|to|in) "
)
PERIODIC = {
    "Rent", "Payment", "Service charge", "Salary", "Price", "Parking", "Heating", "Cleaning", "Contribution",
}  # fmt: skip
BEFORE_CHARS, AFTER_CHARS = 140, 60


def find_amounts(passage: Passage, *, page_currency: str | None = None) -> Iterator[Hit]:
    """page_currency: the only currency of the page, for rows of a table whose numbers stand without one."""
    written = list(find_money(passage.text))
    for money in written:
        yield _hit(passage, money, confidence=0.9)
    if written or page_currency is None or not passage.is_row:
        return
    if (money_of_row := last_number(passage.text, currency=page_currency)) is not None:
        yield _hit(passage, money_of_row, confidence=0.6)


def _hit(passage: Passage, money: Money, *, confidence: float) -> Hit:
    title = _title(passage, money.start, money.end)
    period = _period(passage.text, money.start, money.end)
    if period and title in PERIODIC:
        title = f"{period} {title[0].lower()}{title[1:]}"
    finding = {
        "kind": "amount",
        "title": title,
        "value": f"{money.currency} {money.value:,f}" + (f" ({period.lower()})" if period else ""),
        "page": passage.page,
        "quote": quote_of(passage, money.start, money.end),
        "confidence": confidence if title != "Amount" else round(confidence - 0.2, 2),
        "amount": f"{money.value:f}",
        "currency": money.currency,
    }
    return Hit(passage.start + money.start, finding)


def _title(passage: Passage, start: int, end: int) -> str:
    before, after = passage.text[max(0, start - BEFORE_CHARS) : start], passage.text[end : end + AFTER_CHARS]
    named = [(match.end(), len(match[0]), title) for match, title in _topics(before)]
    if passage.is_row and not named and (label := _label(passage.text[:start])):
        return label
    named += [(match.end(), len(match[0]), _fee(match)) for match in FEE.finditer(before)]
    if named:
        return max(named)[2]
    following = [(match.start(), title) for match, title in _topics(after)]
    if following:
        return min(following)[1]
    return shorten(passage.heading.capitalize(), 60) if passage.heading else "Amount"


def _topics(text: str) -> Iterator[tuple[re.Match[str], str]]:
    for pattern, title in TOPICS:
        for match in pattern.finditer(text):
            yield match, title


def _label(text: str) -> str:
    """What a table row or a label says before its first number."""
    words = re.split(r"\s{3,}|:|\s\d|[€£$]", NUMBERING.sub("", text, count=1))[0]
    return shorten(words.strip(" .:-–—|"), 60) if any(char.isalpha() for char in words) else ""


def _fee(match: re.Match[str]) -> str:
    words = plain(match[0]).lower()
    while (shorter := FILLER.sub("", words)) != words:
        words = shorter
    return words.capitalize()


def _period(text: str, start: int, end: int) -> str:
    """How often the sum is due, by the words close to it."""
    # What stands before an "and" or a comma belongs to an earlier sum: "900 a month and a deposit of 500".
    before = re.split(r"\band\b|[,;]", text[max(0, start - 45) : start])[-1]
    after = text[end : end + 30]
    found = [
        (distance, name)
        for words, name in PERIODS
        for distance in (
            *(len(before) - match.end() for match in words.finditer(before)),
            *(match.start() for match in words.finditer(after)),
        )
    ]
    return min(found)[1] if found else ""
