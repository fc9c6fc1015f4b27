"""Where a document contradicts itself: pure rules over its findings."""

import calendar
import datetime
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel

from documents.findings import Finding

ConflictCode = Literal[
    "differing-amounts", "differing-dates", "differing-parties", "end-before-start", "term-does-not-fit",
    "sum-does-not-add-up",
]  # fmt: skip

# Under these names a document may well state several sums.
GENERIC_AMOUNTS = re.compile(
    r"amount|(?:\w+ )?payment|price|fee|cost|charge|tax|vat|discount|reduction|repairs?|penalty|total|subtotal"
    r"|estimated costs?|unit price|line item|item",
    re.IGNORECASE,
)
TOTAL = re.compile(r"\b(?:grand )?total\b|\b(?:balance|amount) due\b", re.IGNORECASE)
SUBTOTAL = re.compile(r"\bsub-?\s?total\b|\bnet (?:amount|total)\b", re.IGNORECASE)
TAX = re.compile(r"\btax\b|\bvat\b", re.IGNORECASE)
START = re.compile(r"\b(?:start|commencement|beginning|effective)\b", re.IGNORECASE)
END = re.compile(r"\b(?:end|expiry|expiration)\b", re.IGNORECASE)
DURATION = re.compile(r"\b(?:duration|term|lease term|contract term)\b", re.IGNORECASE)
LENGTH = re.compile(r"(\d+)\s+(month|year)s?", re.IGNORECASE)
COMPANY_FORM = re.compile(r"\b(?:limited|ltd|llc|inc|gmbh|plc|corp|corporation)\b|[^\w\s]", re.IGNORECASE)
NOT_ONE_ROLE = {"company named", "party", "witness", "signed by"}
MAX_ROW_CHARS = 110
TERM_TOLERANCE_DAYS = 3
LAST_MONTH = 9_998 * 12  # beyond it Python has no dates
CENT = Decimal("0.01")


class Conflict(BaseModel):
    code: ConflictCode
    title: str
    detail: str  # a sentence or two for a person
    pages: list[int]


def find_conflicts(findings: Sequence[Finding]) -> list[Conflict]:
    """findings: in reading order."""
    return [
        *_differing_amounts(findings),
        *_differing_dates(findings),
        *_differing_parties(findings),
        *_end_before_start(findings),
        *_term_does_not_fit(findings),
        *_sums(findings),
    ]


def money(amount: Decimal, currency: str) -> str:
    return f"{currency} {amount:,.2f}"


def long_date(date: datetime.date) -> str:
    return f"{date.day} {date:%B} {date.year}"


def is_total(finding: Finding) -> bool:
    return bool(TOTAL.search(finding.title)) and not is_subtotal(finding)


def is_subtotal(finding: Finding) -> bool:
    return bool(SUBTOTAL.search(finding.title))


def _differing_amounts(findings: Sequence[Finding]) -> Iterator[Conflict]:
    named: dict[tuple[str, str], list[Finding]] = defaultdict(list)
    for finding in findings:
        if finding.kind == "amount" and finding.currency and not GENERIC_AMOUNTS.fullmatch(finding.title):
            named[finding.title.lower(), finding.currency].append(finding)
    for (_, currency), group in named.items():
        values = {finding.amount: finding for finding in reversed(group) if finding.amount is not None}
        if len(values) > 1:
            said = _listed((money(value, currency), first.page) for value, first in reversed(values.items()))
            yield _conflict(
                "differing-amounts", f"{group[0].title} is stated with different amounts", said, group
            )


def _differing_dates(findings: Sequence[Finding]) -> Iterator[Conflict]:
    for pattern, name in ((START, "start"), (END, "end")):
        group = _dates(findings, pattern)
        dates = {finding.date: finding for finding in reversed(group) if finding.date is not None}
        if len(dates) > 1:
            said = _listed((long_date(date), first.page) for date, first in sorted(dates.items()))
            yield _conflict("differing-dates", f"Different dates are given for the {name}", said, group)


def _differing_parties(findings: Sequence[Finding]) -> Iterator[Conflict]:
    roles: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        if finding.kind == "party" and finding.title.lower() not in NOT_ONE_ROLE:
            roles[finding.title.lower()].append(finding)
    for group in roles.values():
        names = {_bare_name(finding.value): finding for finding in reversed(group)}
        if len(names) > 1:
            said = _listed((first.value, first.page) for first in reversed(names.values()))
            yield _conflict("differing-parties", f"{group[0].title} is named differently", said, group)


def _end_before_start(findings: Sequence[Finding]) -> Iterator[Conflict]:
    starts, ends = _dates(findings, START), _dates(findings, END)
    if not starts or not ends:
        return
    start, end = starts[0], ends[0]
    if start.date and end.date and end.date < start.date:
        detail = f"The end is {long_date(end.date)}, the start only {long_date(start.date)}."
        yield _conflict("end-before-start", "The end comes before the start", detail, [start, end])


def _term_does_not_fit(findings: Sequence[Finding]) -> Iterator[Conflict]:
    starts, ends = _dates(findings, START), _dates(findings, END)
    terms = [finding for finding in findings if finding.kind == "term" and DURATION.search(finding.title)]
    length = LENGTH.search(terms[0].value) if terms else None
    if not (starts and ends and length):
        return
    start, end = starts[0].date, ends[0].date
    months = int(length[1]) * (12 if length[2].lower() == "year" else 1)
    if start is None or end is None or start.year * 12 + months > LAST_MONTH:
        return
    expected = add_months(start, months) - datetime.timedelta(days=1)
    if abs((end - expected).days) > TERM_TOLERANCE_DAYS:
        detail = (
            f"{length[0]} from {long_date(start)} end on {long_date(expected)}, "
            f"but the end is given as {long_date(end)}."
        )
        title = "The duration does not fit the dates"
        yield _conflict("term-does-not-fit", title, detail, [starts[0], terms[0], ends[0]])


def _sums(findings: Sequence[Finding]) -> Iterator[Conflict]:
    """Tables: rows, perhaps a subtotal, then a total, all on one page and in one currency."""
    rows: list[Finding] = []
    for finding in findings:
        if finding.kind != "amount" or not _is_row(finding):
            continue
        if rows and (rows[-1].page, rows[-1].currency) != (finding.page, finding.currency):
            rows = []
        if is_total(finding):
            yield from _check_sum(rows, finding)
            rows = []
        elif is_subtotal(finding):
            yield from _check_sum(rows, finding)
            rows = [finding]
        else:
            rows.append(finding)


def _check_sum(rows: Sequence[Finding], stated: Finding) -> Iterator[Conflict]:
    if len(rows) < 2 or stated.amount is None:
        return
    total = sum((row.amount or Decimal() for row in rows), Decimal())
    without_tax = sum((row.amount or Decimal() for row in rows if not TAX.search(row.title)), Decimal())
    # A total may name the tax that it already contains.
    if min(abs(stated.amount - total), abs(stated.amount - without_tax)) <= CENT:
        return
    currency = stated.currency or ""
    detail = (
        f"{_sentence_list([row.title for row in rows])} come to {money(total, currency)}, "
        f"but {stated.title} is given as {money(stated.amount, currency)}."
    )
    yield _conflict("sum-does-not-add-up", "A total does not add up", detail, [*rows, stated])


def add_months(date: datetime.date, months: int) -> datetime.date:
    """The same day of a later month, or its last day."""
    year, month = divmod(date.year * 12 + date.month - 1 + months, 12)
    return datetime.date(year, month + 1, min(date.day, calendar.monthrange(year, month + 1)[1]))


def _dates(findings: Sequence[Finding], title: re.Pattern[str]) -> list[Finding]:
    """The dates of that name; rows of a table of payments ("Total due at the start") are not meant."""
    dated = [finding for finding in findings if finding.kind == "date" and finding.date is not None]
    return [finding for finding in dated if title.search(finding.title) and not TOTAL.search(finding.title)]


def _is_row(finding: Finding) -> bool:
    quote = finding.quote.strip()
    return "\n" not in quote and len(quote) <= MAX_ROW_CHARS and not quote.endswith((".", ";"))


def _bare_name(name: str) -> str:
    return " ".join(COMPANY_FORM.sub(" ", name.lower()).split())


def _listed(values: Iterable[tuple[str, int]]) -> str:
    """EUR 2,400.00 (page 2) and EUR 2,450.00 (page 4)."""
    return _sentence_list([f"{value} (page {page})" for value, page in values]) + "."


def _sentence_list(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _conflict(code: ConflictCode, title: str, detail: str, findings: Iterable[Finding]) -> Conflict:
    return Conflict(
        code=code, title=title, detail=detail, pages=sorted({finding.page for finding in findings})
    )
