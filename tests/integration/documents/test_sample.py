from collections import Counter
from pathlib import Path

import pytest
from django.core.management import call_command

from documents.analysis import analyse
from documents.extraction import extract
from documents.findings import Finding
from documents.reading import ExtractedText, read_document
from documents.samples.build import SAMPLE, build_sample


@pytest.fixture(scope="module")
def sample() -> ExtractedText:
    return read_document(SAMPLE.read_bytes(), "application/pdf")


@pytest.mark.usefixtures("tesseract")
def test_the_sample_has_text_pages_and_a_scanned_one(sample):
    assert [page.source for page in sample.pages] == ["text-layer"] * 4 + ["ocr", "text-layer"]
    assert sample.all_warnings() == []
    assert SAMPLE.stat().st_size < 600_000


@pytest.mark.usefixtures("tesseract")
def test_the_scanned_page_is_read_well(sample):
    for words in (
        "Date of handover: 29 January 2027",
        "Inspector: Tomas Keane",
        "of EUR 860.00",
        "EUR 45.00",
    ):
        assert words in sample.pages[4].text


@pytest.mark.usefixtures("tesseract")
def test_the_sample_is_full_of_facts_and_has_contradictions(sample):
    findings = [Finding.model_validate(finding) for finding in extract(sample.marked())]
    kinds = Counter(finding.kind for finding in findings)
    assert len(findings) >= 80
    assert min(kinds.values()) >= 4
    assert sum(finding.page == 5 for finding in findings) >= 8
    analysis = analyse(findings, text=sample.marked())
    assert {conflict.code for conflict in analysis.conflicts} == {
        "differing-amounts",
        "term-does-not-fit",
        "sum-does-not-add-up",
    }
    assert analysis.unverified_quotes == 0
    assert analysis.risk.level == "high"


def test_the_sample_is_drawn_the_same_every_time(tmp_path: Path):
    target = tmp_path / "again.pdf"
    call_command("make_sample", output=target, verbosity=0)
    assert target.read_bytes() == build_sample()
