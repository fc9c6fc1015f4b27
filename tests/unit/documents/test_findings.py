from decimal import Decimal

import pytest
from pydantic import ValidationError

from documents.findings import MAX_QUOTE_CHARS, Finding

FACT = {
    "kind": "term",
    "title": "Notice",
    "value": "30 days",
    "page": 1,
    "quote": "30 days’ notice",
    "confidence": 0.9,
}


def test_an_amount_keeps_its_cents_as_text():
    finding = Finding.model_validate({**FACT, "kind": "amount", "amount": "2400.00", "currency": "EUR"})
    assert finding.amount == Decimal("2400.00")
    assert finding.model_dump(mode="json")["amount"] == "2400.00"


@pytest.mark.parametrize(
    ("kind", "missing"), [("amount", "amount and currency"), ("date", "date"), ("risk", "severity")]
)
def test_a_kind_without_what_it_needs_is_refused(kind, missing):
    with pytest.raises(ValidationError, match=missing):
        Finding.model_validate({**FACT, "kind": kind})


@pytest.mark.parametrize(
    "wrong",
    [
        {"page": 0},
        {"confidence": 1.5},
        {"kind": "gossip"},
        {"quote": " "},
        {"kind": "amount", "amount": "NaN", "currency": "EUR"},
        {"kind": "amount", "amount": "1e30", "currency": "EUR"},
        {"kind": "amount", "amount": "5", "currency": "euros"},
        {"kind": "date", "date": "31 June"},
    ],
)
def test_nonsense_is_refused(wrong):
    with pytest.raises(ValidationError):
        Finding.model_validate({**FACT, **wrong})


def test_empty_optional_fields_count_as_absent():
    finding = Finding.model_validate({**FACT, "amount": "", "currency": "", "date": "", "severity": ""})
    assert (finding.amount, finding.currency, finding.date, finding.severity) == (None, None, None, None)


def test_what_is_a_little_too_long_is_cut_rather_than_lost():
    finding = Finding.model_validate({**FACT, "title": "t" * 500, "quote": "q" * 5_000})
    assert len(finding.title) == 120
    assert len(finding.quote) == MAX_QUOTE_CHARS
