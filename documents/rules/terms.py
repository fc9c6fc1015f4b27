"""Terms: how long, with how much notice, under which law, on which other conditions."""

import re
from collections.abc import Iterator

from documents.rules.passages import Hit, Passage, phrase, plain, quote_of, shorten

_UNTIL_TWELVE = (
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
)
WORD_NUMBERS = {word: number for number, word in enumerate(_UNTIL_TWELVE, start=1)} | {
    "fourteen": 14, "fifteen": 15, "twenty": 20, "thirty": 30, "sixty": 60, "ninety": 90,
}  # fmt: skip
_NUMBER = "|".join(sorted(WORD_NUMBERS, key=len, reverse=True))
DURATION = re.compile(
    rf"\b(?P<number>\d{{1,3}}|{_NUMBER})(?:\s+\(\w+\))?\s*[- ]?"
    r"(?P<business>(?:business|working|calendar)\s+)?(?P<unit>days?|weeks?|months?|years?)['’]?\b",
    re.IGNORECASE,
)
# What a duration is for, by the words around it; the first that fits names it.
_INVOICE = r"^[^.]{0,30}\b(?:of|after|from)\s+(?:the\s+)?(?:receipt|date\s+of\s+(?:the\s+)?invoice|invoice)"
PURPOSES = tuple(
    (re.compile(before, re.IGNORECASE), re.compile(after, re.IGNORECASE), title)
    for title, before, after in (
        ("Notice period", r"notice\W+(?:\w+\W+){0,4}$", r""),
        ("Notice period", r"", r"^\W*(?:\w+\W+){0,2}notice\b"),
        ("Renewal period", r"(?:renew|extend)\w*\W+(?:\w+\W+){0,8}$", r""),
        ("Grace period", r"\boverdue\b[^.]{0,40}$", r""),
        ("Duration", r"(?:initial\s+)?term\W+(?:\w+\W+){0,4}$", r""),
        ("Duration", r"(?:period|duration)\s+of\W+(?:initially\W+)?$|fixed\W+(?:\w+\W+){0,2}$", r""),
        ("Payment period", r"\b(?:pay|paid|payable|payment|due)\b[^.]{0,60}$", r""),
        ("Payment period", r"", _INVOICE),
        ("Time to remedy", r"(?:repair|remed|cur)\w*\b[^.]{0,60}$", r""),
        ("Time to repay", r"(?:return|refund|repa)\w*\b[^.]{0,60}$", r""),
        ("Warranty period", r"warrant\w*\b[^.]{0,60}$", r""),
        ("Time limit", r"within\W+$|no\s+later\s+than\W+$|at\s+least\W+$", r""),
    )
)
CLAUSES = tuple(
    (phrase(pattern), title)
    for title, pattern in (
        ("Governing law", r"governed by(?: and construed in accordance with)? (?:the )?laws? of"),
        ("Jurisdiction", r"(?:exclusive |non-exclusive )?jurisdiction of|courts of"),
        ("Confidentiality", r"confidential\w*"),
        ("Entire agreement", r"entire agreement"),
        ("Assignment and subletting", r"assign\w* (?:or sub-?let|or transfer)|sub-?let\w*"),
        ("Data protection", r"personal data|data protection|GDPR"),
        ("Dispute resolution", r"arbitration|mediation"),
        ("Permitted use", r"permitted use|used? (?:only|solely|exclusively) (?:as|for)"),
        ("Break option", r"break (?:clause|option|right)"),
    )
)
CONTEXT_CHARS = 90


def find_terms(passage: Passage) -> Iterator[Hit]:
    titles: set[str] = set()
    for match in DURATION.finditer(passage.text):
        title = _purpose(passage.text, *match.span())
        if title and title not in titles:
            titles.add(title)
            yield _hit(passage, match, title=title, value=_length(match), confidence=0.85)
    if passage.is_heading or len(passage.text.split()) < 5:
        return
    for pattern, title in CLAUSES:
        if clause := pattern.search(passage.text):
            yield _hit(passage, clause, title=title, value=shorten(passage.text, 200), confidence=0.8)
            return


def _purpose(text: str, start: int, end: int) -> str:
    before, after = text[max(0, start - CONTEXT_CHARS) : start], text[end : end + CONTEXT_CHARS]
    for lead, follow, title in PURPOSES:
        if lead.search(before) and follow.search(after):
            return title
    return ""


def _length(match: re.Match[str]) -> str:
    """ "36 months", "10 business days": always a number, so that it can be reckoned with."""
    number = WORD_NUMBERS.get(match["number"].lower()) or int(match["number"])
    unit = match["unit"].lower().rstrip("s") + ("" if number == 1 else "s")
    return plain(f"{number} {(match['business'] or '').lower()} {unit}")


def _hit(passage: Passage, match: re.Match[str], *, title: str, value: str, confidence: float) -> Hit:
    finding = {
        "kind": "term",
        "title": title,
        "value": value,
        "page": passage.page,
        "quote": quote_of(passage, *match.span()),
        "confidence": confidence,
    }
    return Hit(passage.start + match.start(), finding)
