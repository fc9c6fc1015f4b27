"""Dates in the usual ways of writing them, named by the words around them."""

import datetime
import re
from collections.abc import Iterator

from documents.rules.passages import NUMBERING, Hit, Passage, phrase, quote_of, shorten

MONTHS = {
    name: number
    for number, names in enumerate(
        (
            ("january", "jan"), ("february", "feb"), ("march", "mar"), ("april", "apr"), ("may",), ("june", "jun"),
            ("july", "jul"), ("august", "aug"), ("september", "sept", "sep"), ("october", "oct"),
            ("november", "nov"), ("december", "dec"),
        ),
        start=1,
    )
    for name in names
}  # fmt: skip
_MONTH = "|".join(sorted(MONTHS, key=len, reverse=True))
DATE = re.compile(
    rf"\b(?:"
    rf"(?P<iso_y>[12]\d{{3}})-(?P<iso_m>\d{{2}})-(?P<iso_d>\d{{2}})"
    rf"|(?P<d1>\d{{1,2}})(?:st|nd|rd|th)?(?:\s+day)?(?:\s+of)?\s+(?P<m1>{_MONTH})\.?,?\s+(?P<y1>[12]\d{{3}})"
    rf"|(?P<m2>{_MONTH})\.?\s+(?P<d2>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<y2>[12]\d{{3}})"
    rf"|(?P<n1>\d{{1,2}})(?P<mark>[./-])(?P<n2>\d{{1,2}})(?P=mark)(?P<y3>[12]\d{{3}}|\d{{2}})"
    rf")\b",
    re.IGNORECASE,
)
# The words nearest before the date win, then the nearest after it.
TOPICS = tuple(
    (phrase(pattern), title)
    for title, pattern in (
        ("Start date", r"commenc\w+|start(?:s|ing|ed)?\b|begin(?:s|ning)?\b|effective|with effect from"),
        ("End date", r"expir\w+|ends?\b|ending\b|end date|until\b|terminat(?:es|ing|ion date)"),
        ("Break date", r"may (?:end|terminate|cancel)\b"),
        ("Due date", r"due\b|payable|pay by|paid (?:by|on|before|no later)|payment date"),
        ("Invoice date", r"invoice date"),
        ("Date of signature", r"signed|signature"),
        ("Date of the agreement", r"dated|date of (?:this )?(?:agreement|contract|lease)|entered into"),
        ("Date of the agreement", r"made on|made this|made and entered into on"),
        ("Delivery date", r"deliver\w*"),
        ("Handover date", r"hand(?:ed)?[ -]?over|move-?in\b|move-?out\b"),
        ("Inspection date", r"inspect\w*"),
        ("Review date", r"review\w*|increas\w*|adjust\w*"),
        ("Renewal date", r"renew\w*"),
        ("Notice date", r"notice\b"),
        ("Date of birth", r"born|date of birth"),
        ("Deadline", r"deadline|no later than|not later than|at the latest"),
        ("Deadline", r"by\s*$|(?:on or )?before\s*$|not after\s*$"),
    )
)
BEFORE_CHARS, AFTER_CHARS = 110, 40


def find_dates(passage: Passage, *, day_first: bool | None = None) -> Iterator[Hit]:
    """day_first: how the document writes 03/04/2026; None when nothing in it tells."""
    for match in DATE.finditer(passage.text):
        date = _date(match, day_first=day_first is not False)
        if date is None:
            continue
        unsure = _is_ambiguous(match) and day_first is None
        title = _title(passage, *match.span())
        finding = {
            "kind": "date",
            "title": title,
            "value": f"{date.day} {date:%B} {date.year}" + (" (or month first)" if unsure else ""),
            "page": passage.page,
            "quote": quote_of(passage, *match.span()),
            "confidence": 0.5 if unsure else 0.7 if title == "Date" else 0.9,
            "date": date.isoformat(),
        }
        yield Hit(passage.start + match.start(), finding)


def writes_day_first(text: str) -> bool | None:
    """How a document writes dates in numbers, by those that can be read in one way only."""
    numbers = [
        (int(match["n1"]), int(match["n2"]), match["mark"]) for match in DATE.finditer(text) if match["n1"]
    ]
    if any(first > 12 or mark == "." for first, _, mark in numbers):
        return True
    return False if any(second > 12 for _, second, _ in numbers) else None


def _date(match: re.Match[str], *, day_first: bool) -> datetime.date | None:
    parts = match.groupdict()
    if parts["iso_y"]:
        year, month, day = parts["iso_y"], parts["iso_m"], parts["iso_d"]
    elif parts["n1"]:
        month, day = (parts["n2"], parts["n1"]) if day_first else (parts["n1"], parts["n2"])
        if int(month) > 12:
            month, day = day, month
        year = parts["y3"] if len(parts["y3"]) == 4 else f"20{parts['y3']}"
    else:
        name = parts["m1"] or parts["m2"]
        year, month, day = parts["y1"] or parts["y2"], str(MONTHS[name.lower()]), parts["d1"] or parts["d2"]
    try:
        return datetime.date(int(year), int(month), int(day))
    except ValueError:  # 31 June, or a version number that looks like a date
        return None


def _is_ambiguous(match: re.Match[str]) -> bool:
    return bool(match["n1"]) and match["mark"] != "." and max(int(match["n1"]), int(match["n2"])) <= 12


def _title(passage: Passage, start: int, end: int) -> str:
    before, after = passage.text[max(0, start - BEFORE_CHARS) : start], passage.text[end : end + AFTER_CHARS]
    if passage.is_row and ":" not in before and any(char.isalpha() for char in before):
        return shorten(
            NUMBERING.sub("", before, count=1).strip(" -–—|"), 60
        )  # a table's row is its own title
    # The words that belong to an earlier date of the same sentence are used up.
    earlier = list(DATE.finditer(before))
    before = before[earlier[-1].end() :] if earlier else before
    found = [
        (match.end(), len(match[0]), title) for pattern, title in TOPICS for match in pattern.finditer(before)
    ]
    if found:
        return max(found)[2]
    clause = re.split(r"[,;.]", after)[0]
    following = [(match.start(), title) for pattern, title in TOPICS for match in pattern.finditer(clause)]
    return min(following)[1] if following else "Date"
