"""The risk score: what speaks for trouble, each reason with its share of the points."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from pydantic import BaseModel

from documents.conflicts import Conflict
from documents.findings import Finding, Severity

Level = Literal["low", "medium", "high"]

# The share of what is left up to 100 that one reason takes: many small risks never make more than a certainty.
SEVERITY_WEIGHTS: dict[Severity, float] = {"low": 0.04, "medium": 0.09, "high": 0.16}
CONFLICT_WEIGHT = 0.07
UNREAD_PAGE_WEIGHT = 0.05
REPEATED_SHARE = 0.4  # of its weight, for a further risk of the same name
LEVELS: tuple[tuple[int, Level], ...] = ((25, "low"), (60, "medium"), (101, "high"))


class RiskReason(BaseModel):
    title: str
    severity: Severity
    points: float  # of the score, to a tenth
    pages: list[int]


class RiskScore(BaseModel):
    score: int  # 0 to 100
    level: Level
    reasons: list[RiskReason]  # the weightiest first


class _Weight(NamedTuple):
    weight: float
    title: str
    severity: Severity
    pages: list[int]


def score_risk(findings: Sequence[Finding], *, conflicts: Sequence[Conflict], unread_pages: int) -> RiskScore:
    """unread_pages: pages of the document whose text nobody knows."""
    weights = [*_of_findings(findings), *_of_conflicts(conflicts), *_of_gaps(unread_pages)]
    left, reasons = 100.0, []
    for weight, title, severity, pages in sorted(weights, key=lambda weight: (-weight.weight, weight.title)):
        points, left = left * weight, left * (1 - weight)
        reasons.append(RiskReason(title=title, severity=severity, points=round(points, 1), pages=pages))
    score = round(100 - left)
    return RiskScore(
        score=score, level=next(level for below, level in LEVELS if score < below), reasons=reasons
    )


def _of_findings(findings: Sequence[Finding]) -> Iterator[_Weight]:
    groups: dict[tuple[str, Severity], list[Finding]] = defaultdict(list)
    for finding in findings:
        if finding.kind == "risk" and finding.severity is not None:
            groups[finding.title, finding.severity].append(finding)
    for (title, severity), group in groups.items():
        left = 1.0
        for place, finding in enumerate(group):
            weight = SEVERITY_WEIGHTS[severity] * finding.confidence
            left *= 1 - weight * (REPEATED_SHARE if place else 1)
        yield _Weight(1 - left, title, severity, sorted({finding.page for finding in group}))


def _of_conflicts(conflicts: Sequence[Conflict]) -> Iterator[_Weight]:
    for conflict in conflicts:
        yield _Weight(CONFLICT_WEIGHT, conflict.title, "medium", conflict.pages)


def _of_gaps(unread_pages: int) -> Iterator[_Weight]:
    if unread_pages:
        pages = "1 page" if unread_pages == 1 else f"{unread_pages} pages"
        weight = 1 - (1 - UNREAD_PAGE_WEIGHT) ** unread_pages
        yield _Weight(weight, f"{pages} could not be read", "medium", [])
