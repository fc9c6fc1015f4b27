"""From findings to what they mean together: totals, a timeline, contradictions, a risk score. Pure."""

import datetime
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from decimal import Decimal

from pydantic import BaseModel, Field

from documents.conflicts import Conflict, find_conflicts, is_subtotal, is_total
from documents.findings import KINDS, Finding, Kind
from documents.risk import RiskScore, score_risk

MAX_ENTRIES = 300  # of each list: an analysis is a row's output and a page, not a data set
PER_YEAR = {"monthly": 12, "quarterly": 4, "annual": 1, "yearly": 1, "weekly": 52}
PERIOD = re.compile(rf"\b({'|'.join(PER_YEAR)})\b|\bper (month|quarter|year|annum|week)\b", re.IGNORECASE)
PERIOD_NOUNS = {"month": 12, "quarter": 4, "year": 1, "annum": 1, "week": 52}
# Sums that nobody pays as such, or only if something goes wrong, by the day or by the piece.
NOT_A_PAYMENT = re.compile(
    r"\b(?:limit|cap|cover|insured|penalty|late|reminder|budget|reduction|unit price)\b|\(daily\)|\(hourly\)",
    re.IGNORECASE,
)


class CurrencyTotal(BaseModel):
    currency: str
    count: int = Field(description="amounts found in this currency")
    one_off: Decimal = Field(description="sum of what is paid once, each named sum counted once")
    per_year: Decimal = Field(description="sum of what is paid again and again, for one year")
    largest: Decimal
    largest_title: str


class TimelineEntry(BaseModel):
    date: datetime.date
    title: str
    pages: list[int]


class PartyEntry(BaseModel):
    name: str
    roles: list[str]
    pages: list[int]


class Analysis(BaseModel):
    findings_count: int
    counts: dict[Kind, int]  # every kind, also those with none
    parties: list[PartyEntry]
    totals: list[CurrencyTotal]
    timeline: list[TimelineEntry]
    conflicts: list[Conflict]
    risk: RiskScore
    unverified_quotes: int = Field(description="findings whose quote does not stand in the document's text")


def analyse(findings: Sequence[Finding], *, text: str, unread_pages: int = 0) -> Analysis:
    """findings: in reading order. text: of the whole document, to check the quotes against."""
    conflicts = find_conflicts(findings)[:MAX_ENTRIES]
    counted = Counter(finding.kind for finding in findings)
    return Analysis(
        findings_count=len(findings),
        counts={kind: counted[kind] for kind in KINDS},
        parties=_parties(findings),
        totals=_totals(findings),
        timeline=_timeline(findings),
        conflicts=conflicts,
        risk=score_risk(findings, conflicts=conflicts, unread_pages=unread_pages),
        unverified_quotes=_unverified(findings, text),
    )


def _totals(findings: Sequence[Finding]) -> list[CurrencyTotal]:
    currencies: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        if finding.kind == "amount" and finding.currency is not None and finding.amount is not None:
            currencies[finding.currency].append(finding)
    return [_total(currency, amounts) for currency, amounts in sorted(currencies.items())]


def _total(currency: str, amounts: Sequence[Finding]) -> CurrencyTotal:
    # One sum is often stated in several places, and where these differ the larger one is the prudent one.
    named: dict[str, Decimal] = {}
    per_year: dict[str, Decimal] = {}
    for finding in amounts:
        if (
            is_total(finding)
            or is_subtotal(finding)
            or NOT_A_PAYMENT.search(f"{finding.title} {finding.value}")
        ):
            continue
        times = _times_a_year(finding)
        kept = per_year if times else named
        kept[finding.title] = max(
            kept.get(finding.title, Decimal()), _amount(finding) * (times or 1), key=abs
        )
    largest = max(amounts, key=_amount)
    return CurrencyTotal(
        currency=currency,
        count=len(amounts),
        one_off=sum(named.values(), Decimal()),
        per_year=sum(per_year.values(), Decimal()),
        largest=_amount(largest),
        largest_title=largest.title,
    )


def _times_a_year(finding: Finding) -> int:
    match = PERIOD.search(f"{finding.title} {finding.value}")
    if match is None:
        return 0
    return PER_YEAR[match[1].lower()] if match[1] else PERIOD_NOUNS[match[2].lower()]


def _amount(finding: Finding) -> Decimal:
    return finding.amount or Decimal()


def _timeline(findings: Sequence[Finding]) -> list[TimelineEntry]:
    pages: dict[tuple[datetime.date, str], set[int]] = defaultdict(set)
    for finding in findings:
        if finding.kind == "date" and finding.date is not None:
            pages[finding.date, finding.title].add(finding.page)
    entries = sorted(pages.items())[:MAX_ENTRIES]
    return [TimelineEntry(date=date, title=title, pages=sorted(found)) for (date, title), found in entries]


def _parties(findings: Sequence[Finding]) -> list[PartyEntry]:
    entries: dict[str, PartyEntry] = {}
    for finding in findings:
        if finding.kind != "party":
            continue
        entry = entries.setdefault(finding.value.lower(), PartyEntry(name=finding.value, roles=[], pages=[]))
        entry.roles = [*entry.roles, finding.title] if finding.title not in entry.roles else entry.roles
        entry.pages = sorted({*entry.pages, finding.page})
    return list(entries.values())[:MAX_ENTRIES]


def _unverified(findings: Sequence[Finding], text: str) -> int:
    """Line ends and double spaces do not count: a model writes them differently, and means the same words."""
    plain = " ".join(text.split())
    return sum(" ".join(finding.quote.split()) not in plain for finding in findings)
