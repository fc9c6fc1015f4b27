"""Risks: wording that costs somebody money, freedom or time if things go wrong."""

import re
from collections.abc import Iterator

from documents.rules.passages import Hit, Passage, phrase, quote_of, shorten

# The first pattern of the highest severity names a passage's risk.
RISKS = tuple(
    (severity, phrase(pattern), title)
    for severity, title, pattern in (
        ("high", "Unlimited liability", r"unlimited liability|liab\w+ (?:is )?(?:unlimited|without limit)"),
        ("high", "Personal guarantee", r"personal(?:ly)? (?:guarant\w+|liable)"),
        ("high", "Indemnity", r"indemnif\w+|hold harmless|indemnity"),
        (
            "high",
            "Immediate termination",
            r"terminat\w+[^.;]{0,80}?(?:immediate\w*|without (?:prior )?notice|forthwith)",
        ),
        ("high", "Forfeiture", r"forfeit\w*"),
        ("high", "Loss of possession", r"re-?ent(?:er|ry)|repossess\w*|evict\w*"),
        ("high", "Penalty", r"liquidated damages|contractual penalt\w+|penalt(?:y|ies)"),
        (
            "medium",
            "Late payment costs",
            r"late (?:payment )?(?:fees?|charges?)|default interest|interest (?:at|of) (?:a rate of )?\d"
            r"|reminder fee",
        ),
        (
            "medium",
            "Automatic renewal",
            r"automatic(?:ally)? (?:be )?(?:renew\w*|extend\w*)|(?:renew\w*|extend\w*) automatically",
        ),
        ("medium", "Non-refundable payment", r"non-?refundable|no refund|shall not be refunded"),
        ("medium", "One-sided discretion", r"(?:sole|absolute) discretion|at any time and for any reason"),
        (
            "medium",
            "Unlimited liability",
            r"liability[^.;]{0,60}?(?:is|shall be) (?:not limited|unlimited)",
        ),
        (
            "medium",
            "Limited liability",
            r"liability[^.;]{0,80}?(?:limited to|shall not exceed|exceed|capped at)",
        ),
        ("medium", "Liability", r"liable for|liability for|bears? (?:all|the full) (?:cost|risk)"),
        ("medium", "Waiver of rights", r"waives?\b|waiver of"),
        (
            "medium",
            "Price increase",
            r"(?:increase|adjust|review)\w* (?:of )?(?:the )?(?:rent|price|fee)\w*"
            r"|(?:rent|prices?|fees?) (?:may|shall|will) (?:be )?(?:increase|adjust|review)\w*",
        ),
        ("medium", "Breach and default", r"event of default|in default\b|breach(?:es)?\b"),
        ("medium", "Defect", r"damp|mould|leak\w*|crack\w*|defect\w*|asbestos|not working"),
        ("medium", "Overdue payment", r"overdue|outstanding balance|unpaid|arrears"),
        ("low", "Termination", r"terminat\w+"),
        ("low", "Exclusion of warranty", r"exclud\w+ (?:all )?(?:liability|warrant\w+)|without warranty"),
        (
            "low",
            "Exclusivity",
            r"exclusive (?:rights?|supplier|provider|basis|licen[cs]e)|exclusivity|non-?compet\w+",
        ),
        ("low", "Force majeure", r"force majeure"),
        ("low", "Needs consent", r"subject to (?:the )?(?:prior )?(?:written )?(?:consent|approval)"),
    )
)
DENIED = re.compile(
    r"\b(?:no|not|without|never|free\s+of|remedy|repair|remove)\s+(?:\w+\s+){0,2}$", re.IGNORECASE
)
DENIABLE = {"Liability", "Penalty", "Defect", "Overdue payment", "Late payment costs", "Unlimited liability"}
CONFIDENCE = {"high": 0.8, "medium": 0.75, "low": 0.65}


def find_risks(passage: Passage) -> Iterator[Hit]:
    """At most one finding a passage. A heading or a lone word is no risk yet."""
    if passage.is_heading or len(passage.text.split()) < 4:
        return
    for severity, pattern, title in RISKS:
        match = pattern.search(passage.text)
        if match is None or (title in DENIABLE and DENIED.search(passage.text[: match.start()])):
            continue
        finding = {
            "kind": "risk",
            "title": title,
            "value": shorten(_around(passage.text, match), 280),
            "page": passage.page,
            "quote": quote_of(passage, *match.span()),
            "confidence": CONFIDENCE[severity],
            "severity": severity,
        }
        yield Hit(passage.start + match.start(), finding)
        return


def _around(text: str, match: re.Match[str]) -> str:
    """The passage, or the part of a long one that starts close before the wording."""
    return text if len(text) <= 280 else "…" + text[max(0, match.start() - 80) :].partition(" ")[2]
