from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from documents.analysis import analyse
from documents.conflicts import add_months, find_conflicts
from documents.extraction import extract
from documents.findings import Finding
from documents.risk import score_risk
from tests.unit.documents.texts import INVOICE, LEASE


def read(text: str) -> list[Finding]:
    return [Finding.model_validate(finding) for finding in extract(text)]


def fact(
    kind: str, title: str, *, page: int = 1, quote: str = "as it stands there", **fields: Any
) -> Finding:
    return Finding(
        kind=kind,
        title=title,
        value=fields.pop("value", title),
        page=page,
        quote=quote,
        confidence=0.9,
        **fields,
    )


def amount(title: str, value: str, *, currency: str = "EUR", **fields: Any) -> Finding:
    return fact("amount", title, amount=Decimal(value), currency=currency, **fields)


def codes(*findings: Finding) -> list[str]:
    return [conflict.code for conflict in find_conflicts(findings)]


def test_a_lease_that_contradicts_itself_is_found_out():
    analysis = analyse(read(LEASE), text=LEASE)
    assert [(conflict.code, conflict.pages) for conflict in analysis.conflicts] == [
        ("differing-amounts", [1, 2]),
        ("term-does-not-fit", [1]),
        ("sum-does-not-add-up", [2]),
    ]
    assert analysis.conflicts[0].detail == "EUR 2,400.00 (page 1) and EUR 2,450.00 (page 2)."
    assert "31 January 2030" in analysis.conflicts[1].detail
    assert "EUR 9,650.00" in analysis.conflicts[2].detail


def test_an_invoice_that_adds_up_has_no_contradiction():
    assert not analyse(read(INVOICE), text=INVOICE).conflicts


def test_an_invoice_whose_total_is_wrong_is_found_out():
    text = INVOICE.replace("2'184.16", "2'284.16")
    (conflict,) = analyse(read(text), text=text).conflicts
    assert conflict.code == "sum-does-not-add-up"
    assert "CHF 2,184.16" in conflict.detail


def test_totals_count_a_named_sum_once_and_keep_currencies_apart():
    findings = [
        amount("Deposit", "900"),
        amount("Deposit", "900"),
        amount("Monthly rent", "300"),
        amount("Annual insurance", "120"),
        amount("Liability limit", "1000000"),
        amount("Total", "1320"),
        amount("Fee", "50", currency="GBP"),
    ]
    euro, pound = analyse(findings, text="").totals
    assert (euro.currency, euro.count, euro.one_off, euro.per_year) == ("EUR", 6, Decimal(900), Decimal(3720))
    assert (euro.largest, euro.largest_title) == (Decimal(1_000_000), "Liability limit")
    assert (pound.currency, pound.one_off, pound.per_year) == ("GBP", Decimal(50), Decimal(0))


def test_the_timeline_is_sorted_and_names_each_day_once():
    findings = [
        fact("date", "End date", date=date(2029, 1, 1), page=2),
        fact("date", "Start date", date=date(2027, 1, 1)),
        fact("date", "Start date", date=date(2027, 1, 1), page=3),
    ]
    assert [(entry.title, entry.pages) for entry in analyse(findings, text="").timeline] == [
        ("Start date", [1, 3]),
        ("End date", [2]),
    ]


def test_an_end_before_the_start_is_a_contradiction():
    start, end = (
        fact("date", "Start date", date=date(2027, 5, 1)),
        fact("date", "End date", date=date(2027, 4, 1)),
    )
    assert codes(start, end) == ["end-before-start"]


def test_two_different_starts_are_a_contradiction():
    first, second = (fact("date", "Start date", date=date(2027, 5, day)) for day in (1, 2))
    assert codes(first, second, first) == ["differing-dates"]


def test_a_duration_that_fits_its_dates_is_none():
    dates = [
        fact("date", "Start date", date=date(2027, 2, 1)),
        fact("date", "End date", date=date(2030, 1, 31)),
    ]
    assert codes(*dates, fact("term", "Duration", value="36 months")) == []
    assert codes(*dates, fact("term", "Duration", value="3 years")) == []
    assert codes(*dates, fact("term", "Duration", value="2 years")) == ["term-does-not-fit"]


def test_dates_at_the_end_of_time_are_no_error():
    dates = [
        fact("date", "Start date", date=date(9999, 1, 1)),
        fact("date", "End date", date=date(9999, 12, 31)),
    ]
    assert codes(*dates, fact("term", "Duration", value="900 years")) == []


def test_one_role_with_two_names_is_a_contradiction_but_two_spellings_are_not():
    landlord = fact("party", "Landlord", value="Acme Limited")
    assert codes(landlord, fact("party", "Landlord", value="ACME Ltd.")) == []
    assert codes(landlord, fact("party", "Landlord", value="Other GmbH")) == ["differing-parties"]
    assert codes(fact("party", "Witness", value="A"), fact("party", "Witness", value="B")) == []


def test_sums_under_a_general_name_may_differ():
    assert codes(amount("Payment", "10"), amount("Payment", "20")) == []
    assert codes(amount("Deposit", "10"), amount("Deposit", "20")) == ["differing-amounts"]
    assert codes(amount("Deposit", "10"), amount("Deposit", "20", currency="USD")) == []


def test_a_total_may_name_the_tax_it_contains():
    rows = [amount("Work", "100.00"), amount("Travel", "20.00"), amount("Tax", "20.00")]
    assert codes(*rows, amount("Total", "120.00")) == []
    assert codes(*rows, amount("Total", "140.00")) == []
    assert codes(*rows, amount("Total", "130.00")) == ["sum-does-not-add-up"]


def test_sums_in_sentences_or_on_other_pages_belong_to_no_table():
    sentence = amount("Deposit", "900", quote="The deposit is EUR 900.")
    other_page = amount("Fee", "50", page=1)
    assert codes(sentence, other_page, amount("Work", "70", page=2), amount("Total", "80", page=2)) == []


@pytest.mark.parametrize(
    ("start", "months", "end"),
    [
        (date(2027, 1, 31), 1, date(2027, 2, 28)),
        (date(2027, 12, 1), 1, date(2028, 1, 1)),
        (date(2027, 2, 1), 36, date(2030, 2, 1)),
    ],
)
def test_months_are_added_as_people_do(start, months, end):
    assert add_months(start, months) == end


def test_the_points_of_the_reasons_make_the_score():
    analysis = analyse(read(LEASE), text=LEASE)
    assert sum(reason.points for reason in analysis.risk.reasons) == pytest.approx(
        analysis.risk.score, abs=1.5
    )


def test_more_risks_make_a_higher_score_that_never_passes_a_hundred():
    risks = [fact("risk", f"Risk {number}", severity="high") for number in range(200)]
    scores = [score_risk(risks[:count], conflicts=[], unread_pages=0).score for count in (0, 1, 5, 20, 200)]
    assert scores == sorted(scores)
    assert (scores[0], scores[-1]) == (0, 100)


def test_the_same_risk_again_weighs_less_than_another():
    once, again = fact("risk", "Penalty", severity="high"), fact("risk", "Penalty", severity="high", page=2)
    other = fact("risk", "Indemnity", severity="high")
    repeated = score_risk([once, again], conflicts=[], unread_pages=0)
    different = score_risk([once, other], conflicts=[], unread_pages=0)
    assert repeated.score < different.score
    assert [reason.pages for reason in repeated.reasons] == [[1, 2]]


def test_a_page_that_nobody_could_read_is_a_risk():
    score = score_risk([], conflicts=[], unread_pages=2)
    assert score.score > 0
    assert score.reasons[0].title == "2 pages could not be read"


def test_a_document_without_facts_is_analysed_to_nothing():
    analysis = analyse([], text="")
    assert (analysis.findings_count, analysis.risk.score, analysis.risk.level) == (0, 0, "low")
    assert set(analysis.counts.values()) == {0}


def test_quotes_that_the_document_does_not_hold_are_counted():
    findings = [fact("term", "A", quote="the notice\nperiod  is short"), fact("term", "B", quote="made up")]
    assert analyse(findings, text="Here the notice period is\nshort.").unverified_quotes == 1
