import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from documents.extraction import extract
from documents.findings import Finding
from tests.unit.documents.texts import CONTRACT, INVOICE, LEASE, LETTER

ALL = [CONTRACT, INVOICE, LEASE, LETTER]
# Pieces that the rules look for, in any order, between any other text.
SCRAPS = st.sampled_from(
    ["[page 2]\n", "EUR ", "€1,2.3", "31.02.2026", "1 May 2026", "the Tenant shall ", "(the “Landlord”)",
     "between ", " and ", "Dear Ms ", "3.1 ", "within 30 days", "terminate ", "\n\n", ". ", "Total ",
     "Invoice to:", "12 months’ notice", "-", "Ltd", "9" * 20, "[page 0]\n", "(((", "\u2028", "Ω"]
)  # fmt: skip


def found(text: str, kind: str) -> list[tuple[str, str]]:
    return [(finding["title"], finding["value"]) for finding in extract(text) if finding["kind"] == kind]


@pytest.mark.parametrize("text", ALL)
def test_every_finding_fits_the_model_and_keeps_its_form(text):
    for finding in extract(text):
        # The offline model compares what it finds with what was committed: validation must change nothing.
        assert Finding.model_validate(finding).model_dump(mode="json", exclude_none=True) == finding


@pytest.mark.parametrize("text", ALL)
def test_every_quote_stands_in_the_text_word_for_word(text):
    assert all(finding["quote"] in text for finding in extract(text))


@pytest.mark.parametrize("text", ALL)
def test_the_same_text_gives_the_same_findings(text):
    assert list(extract(text)) == list(extract(text))


def test_findings_come_in_reading_order():
    places = []
    for finding in extract(LEASE):
        page = LEASE.index(f"[page {finding['page']}]")
        places.append(LEASE.index(finding["quote"], page))
    assert places == sorted(places)


def test_findings_name_the_page_they_stand_on():
    pages = {finding["page"] for finding in extract(CONTRACT) if finding["title"] == "Governing law"}
    assert pages == {2}


def test_a_text_without_page_marks_is_page_one():
    assert {finding["page"] for finding in extract(INVOICE)} == {1}


def test_parties_of_a_contract_are_found_with_their_roles():
    assert found(CONTRACT, "party") == [("Provider", "Umbra Analytics, Inc"), ("Client", "Coastal Foods LLC")]
    assert found(LEASE, "party") == [
        ("Landlord", "Ardmore Quay Properties Limited"),
        ("Tenant", "Brightwater Studio Limited"),
    ]


def test_parties_of_an_invoice_and_of_a_letter_are_found():
    assert ("Invoice recipient", "Northwind Traders Ltd") in found(INVOICE, "party")
    assert found(LETTER, "party") == [("Addressee", "Ms Okafor"), ("Signed by", "Daniel Reyes")]


def test_a_party_is_a_finding_where_it_is_introduced_and_not_on_every_page_again():
    text = "Landlord: Acme Limited\n[page 2]\nLandlord: Acme Limited\n"
    assert found(text, "party") == [("Landlord", "Acme Limited")]


def test_amounts_are_named_by_the_words_around_them():
    assert found(LEASE, "amount") == [
        ("Monthly rent", "EUR 2,400.00 (monthly)"),
        ("Deposit", "EUR 7,200.00"),
        ("Deposit", "EUR 7,200.00"),
        ("Monthly rent", "EUR 2,450.00 (monthly)"),
        ("Total", "EUR 9,550.00"),
    ]


def test_rows_of_an_invoice_are_amounts_in_the_currency_of_its_head():
    assert found(INVOICE, "amount") == [
        ("Consulting, October", "CHF 1,800.00"),
        ("Travel expenses", "CHF 320.50"),
        ("Discount", "CHF -100.00"),
        ("Subtotal", "CHF 2,020.50"),
        ("Tax", "CHF 163.66"),
        ("Total", "CHF 2,184.16"),
        ("Reminder fee", "CHF 20.00"),
    ]


def test_dates_are_read_in_several_notations_and_named():
    assert found(LETTER, "date") == [
        ("Date", "3 March 2026"),
        ("Date", "27 February 2026"),
        ("Start date", "1 April 2026"),
        ("Deadline", "15 March 2026"),
    ]
    assert found(INVOICE, "date") == [("Invoice date", "3 November 2026"), ("Due date", "3 December 2026")]


def test_a_date_that_can_be_read_in_two_ways_says_so():
    (finding,) = extract("Signed on 03/04/2026 in Leeds.")
    assert finding["value"] == "3 April 2026 (or month first)"
    assert finding["confidence"] == 0.5


def test_one_clear_date_decides_how_the_others_are_read():
    dates = [finding["date"] for finding in extract("Signed on 03/04/2026. Paid on 12/25/2026.")]
    assert dates == ["2026-03-04", "2026-12-25"]


def test_a_day_that_does_not_exist_is_no_date():
    assert not found("Due on 31 June 2026 or on 30.02.2026.", "date")


def test_obligations_name_who_has_to_do_what():
    titles = [title for title, _ in found(LEASE, "obligation")]
    assert titles == [
        "Tenant: pay a rent of €2,400.00 per month and a deposit of €7,200.00.",
        "Tenant: not sublet the premises",
    ]


def test_what_shall_be_governed_or_shall_commence_is_no_duty():
    assert not found("This Agreement shall be governed by the laws of Ireland.", "obligation")
    assert not found("The lease shall commence on 1 May 2026.", "obligation")


def test_risks_carry_a_severity():
    severities = {
        finding["title"]: finding["severity"] for finding in extract(CONTRACT) if finding["kind"] == "risk"
    }
    assert severities == {"Termination": "low", "Limited liability": "medium", "Indemnity": "high",
                          "Non-refundable payment": "medium"}  # fmt: skip


def test_a_denied_defect_is_no_risk():
    assert not found("The surveyor found no damp in any of the rooms.", "risk")


def test_terms_give_durations_as_numbers():
    terms = dict(found(CONTRACT, "term"))
    assert terms["Duration"] == "2 years"
    assert terms["Notice period"] == "45 days"
    assert dict(found("The Client must pay within ten (10) business days.", "term")) == {
        "Payment period": "10 business days"
    }


def test_a_line_that_only_looks_like_a_page_mark_inside_a_sentence_is_text():
    (finding,) = extract("See [page 7] for the fee. The fee is EUR 10.00 today.")
    assert finding["page"] == 1


def test_a_text_without_facts_has_no_findings():
    assert not list(extract(""))
    assert not list(extract("[page 1]\n\n[page 2]\n"))
    assert not list(extract("The weather was fine and everybody went home."))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(SCRAPS, st.text(max_size=12)), max_size=40))
def test_any_text_at_all_is_read_without_an_error_and_quoted_truly(scraps):
    text = "".join(scraps)
    for finding in extract(text):
        assert Finding.model_validate(finding).quote in text


def test_a_very_long_sentence_is_quoted_around_its_fact():
    text = "and so on " * 200 + "the fee is EUR 77.00 " + "and so forth " * 200
    (finding,) = [finding for finding in extract(text) if finding["kind"] == "amount"]
    assert "EUR 77.00" in finding["quote"]
    assert len(finding["quote"]) <= 600


@pytest.mark.parametrize(
    "piece", [". A", "(the “", "EUR 5 ", "the x shall ", "Aaa Bbb ", "1. ", "Dear Ms ", "a\n"]
)
def test_a_hostile_text_costs_no_more_than_an_ordinary_one(piece):
    start = time.monotonic()
    assert sum(1 for _ in extract(piece * (60_000 // len(piece)))) >= 0
    assert time.monotonic() - start < 60  # a pattern that backtracks takes many minutes
