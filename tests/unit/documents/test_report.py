import io
from datetime import UTC, datetime

import pypdfium2
import pytest

from documents.analysis import analyse
from documents.charts import Rect, kinds_chart, pages_chart, risk_chart
from documents.extraction import extract
from documents.findings import KINDS, Finding
from documents.report import draw_html, draw_pdf
from documents.report_content import Report, SourceQuality
from documents.risk import RiskScore
from tests.unit.documents.texts import LEASE

HOSTILE = "<img src=x onerror=alert(1)>&{{ 7|add:7 }}{% now 'Y' %}"


def make_report(*, findings: list[Finding] | None = None, **fields) -> Report:
    found = [Finding.model_validate(finding) for finding in extract(LEASE)] if findings is None else findings
    source = SourceQuality(sources=["text-layer", "ocr"], unread_pages=[], warnings=[])
    return Report(
        **{
            "filename": "lease.pdf",
            "reference": "0198c2aa-0000-7000-8000-000000000000",
            "created_at": datetime(2026, 11, 22, 9, 31, tzinfo=UTC),
            "analysis": analyse(found, text=LEASE),
            "findings": found,
            "source": source,
            **fields,
        }
    )


def pdf_text(content: bytes) -> str:
    document = pypdfium2.PdfDocument(io.BytesIO(content))
    try:
        texts = []
        for page in document:
            text_page = page.get_textpage()
            texts.append(text_page.get_text_bounded())
            text_page.close()
            page.close()
        return "\n".join(texts)
    finally:
        document.close()


@pytest.mark.parametrize("draw", [draw_html, lambda report: pdf_text(draw_pdf(report))], ids=["html", "pdf"])
def test_both_reports_say_the_same(draw):
    said = draw(make_report())
    for words in (
        "Analysis of lease.pdf",
        "page 2 read by OCR",
        "Monthly rent is stated with different amounts",
        "EUR 2,450.00",
        "Brightwater Studio Limited",
        "Findings by kind",
        "31 December 2029",
        "Made by a program.",
    ):
        assert words in said


def test_the_html_report_needs_nothing_from_anywhere():
    html = draw_html(make_report())
    assert "<script" not in html
    assert "http://" not in html
    assert "https://" not in html
    assert html.count("<svg") == 3


def test_hostile_words_stay_words_in_both_reports():
    finding = Finding(
        kind="risk",
        title=HOSTILE,
        value=HOSTILE + " x",
        page=1,
        quote=HOSTILE,
        confidence=0.5,
        severity="high",
    )
    source = SourceQuality(sources=["none"], unread_pages=[1], warnings=[HOSTILE])
    report = make_report(findings=[finding], filename=HOSTILE, source=source)
    html = draw_html(report)
    assert "<img" not in html
    assert "&lt;img src=x onerror=alert(1)&gt;" in html
    assert "{{ 7|add:7 }}" in html
    assert "onerror=alert(1)>" in pdf_text(draw_pdf(report))


def test_letters_that_the_font_lacks_do_not_break_the_pdf():
    report = make_report(filename="契約書 🏠.pdf")
    assert "Analysis of " in pdf_text(draw_pdf(report))


def test_the_same_report_gives_the_same_pdf():
    assert draw_pdf(make_report()) == draw_pdf(make_report())


def test_a_document_without_facts_has_a_report_too():
    report = make_report(findings=[])
    assert "<b>0</b> findings" in draw_html(report)
    assert draw_pdf(report).startswith(b"%PDF")


def test_a_report_lists_only_so_many_findings_and_says_how_many_more_there_are(settings):
    settings.LONGHAUL = {**settings.LONGHAUL, "REPORT_MAX_FINDINGS": 2}
    report = make_report()
    assert sum(len(group.entries) for group in report.groups) == 2
    assert report.unlisted_count == len(report.findings) - 2
    assert f"{report.unlisted_count} further findings" in draw_html(report)


def test_a_value_that_only_repeats_its_quote_is_left_out():
    quote = "The Tenant shall keep the premises clean and tidy at all times."
    finding = Finding(
        kind="obligation", title="Tenant: keep", value=quote[:-1], page=1, quote=quote, confidence=1
    )
    (group,) = make_report(findings=[finding]).groups
    assert group.entries[0].value == ""


def test_charts_stay_inside_their_frame():
    counts = dict.fromkeys(KINDS, 0) | {"risk": 10_000}
    findings = [Finding.model_validate(finding) for finding in extract(LEASE)]
    for score in (0, 50, 100):
        risk = RiskScore(score=score, level="low", reasons=[])
        for chart in (kinds_chart(counts), risk_chart(risk), pages_chart(findings, ["text-layer"] * 200)):
            for shape in chart.shapes:
                assert 0 <= shape.x <= chart.width
                assert 0 <= shape.y <= chart.height
                if isinstance(shape, Rect):
                    assert shape.x + shape.width <= chart.width + 0.01
                    assert shape.y + shape.height <= chart.height + 0.01


def test_a_chart_says_in_words_what_it_shows():
    assert kinds_chart(dict.fromkeys(KINDS, 3)).description.startswith("Findings by kind: parties 3, dates 3")
