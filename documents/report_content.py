"""What the report of an analysis says, once for both of its writers (HTML and PDF)."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pydantic import BaseModel

from documents.analysis import Analysis
from documents.charts import Chart, kinds_chart, pages_chart, risk_chart
from documents.conf import conf
from documents.conflicts import money
from documents.findings import KINDS, Finding
from documents.reading import ExtractedText, Source

MAX_WARNINGS = 20
NOTICE = (
    "Made by a program. It may have missed or misread something: check what matters against the document."
)


class SourceQuality(BaseModel):
    """How well the document could be read."""

    sources: list[Source]  # of each page, in order
    unread_pages: list[int]  # pages whose text nobody could read; an empty page is not one
    warnings: list[str]

    @classmethod
    def of(cls, text: ExtractedText) -> "SourceQuality":
        warnings = text.all_warnings()
        if (more := len(warnings) - MAX_WARNINGS) > 0:
            warnings = [*warnings[:MAX_WARNINGS], f"… and {more} more."]
        unread = [page.number for page in text.pages if page.source == "none" and page.warning]
        return cls(sources=[page.source for page in text.pages], unread_pages=unread, warnings=warnings)

    @property
    def ocr_pages(self) -> list[int]:
        return [number for number, source in enumerate(self.sources, start=1) if source == "ocr"]

    def sentence(self) -> str:
        pages = len(self.sources)
        said = f"{pages} page{'' if pages == 1 else 's'}"
        if not self.ocr_pages:
            return f"{said}, read from the document's own text."
        numbers = ", ".join(str(number) for number in self.ocr_pages[:MAX_WARNINGS])
        more = " and others" if len(self.ocr_pages) > MAX_WARNINGS else ""
        which = f"page {numbers}" if len(self.ocr_pages) == 1 else f"pages {numbers}{more}"
        return f"{said}; {which} read by OCR, where letters may be mistaken."


class TotalRow(NamedTuple):
    currency: str
    one_off: str
    per_year: str
    largest: str
    largest_title: str


class Entry(NamedTuple):
    title: str
    value: str  # empty where the quote says the same
    quote: str
    page: int
    severity: str  # empty for what is no risk


class Group(NamedTuple):
    """The findings of one kind."""

    name: str
    entries: Sequence[Entry]


@dataclass(frozen=True, kw_only=True)
class Report:
    filename: str
    reference: str  # the run's id
    created_at: datetime.datetime
    analysis: Analysis
    findings: Sequence[Finding]
    source: SourceQuality

    @property
    def charts(self) -> list[Chart]:
        return [kinds_chart(self.analysis.counts), pages_chart(self.findings, self.source.sources)]

    @property
    def risk_chart(self) -> Chart:
        return risk_chart(self.analysis.risk)

    @property
    def groups(self) -> list[Group]:
        listed = self.findings[: conf().report_max_findings]
        groups = (
            Group(name, [_entry(finding) for finding in listed if finding.kind == kind])
            for kind, name in KINDS.items()
        )
        return [group for group in groups if group.entries]

    @property
    def totals(self) -> list[TotalRow]:
        return [
            TotalRow(
                currency=total.currency,
                one_off=money(total.one_off, total.currency),
                per_year=money(total.per_year, total.currency),
                largest=money(total.largest, total.currency),
                largest_title=total.largest_title,
            )
            for total in self.analysis.totals
        ]

    @property
    def unlisted_count(self) -> int:
        return max(0, len(self.findings) - conf().report_max_findings)

    @property
    def notice(self) -> str:
        return NOTICE


def _entry(finding: Finding) -> Entry:
    quote = " ".join(finding.quote.split())
    is_repeated = finding.value.rstrip("….").casefold() in quote.casefold() and len(finding.value.split()) > 6
    value = "" if is_repeated else finding.value
    return Entry(finding.title, value, quote, finding.page, finding.severity or "")
