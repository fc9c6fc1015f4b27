"""Who the document is between: introductions, labels, and the heads and ends of letters."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from documents.rules.passages import NUMBERING, Hit, Passage, plain, quote_of

ROLES = (
    "Landlord|Lessor|Tenant|Lessee|Sub-?tenant|Guarantor|Seller|Vendor|Buyer|Purchaser|Supplier|Provider"
    "|Service Provider|Contractor|Subcontractor|Client|Customer|Employer|Employee|Consultant|Licensor|Licensee"
    "|Lender|Borrower|Agent|Managing Agent|Company|Bank|Insurer|Insured|Publisher|Author|Owner|Operator"
    "|Franchisor|Franchisee"
)
LABELS = {
    "invoice to": "Invoice recipient", "bill to": "Invoice recipient", "billed to": "Invoice recipient",
    "invoice from": "Issuer", "issued by": "Issuer", "from": "Sender", "to": "Recipient",
    "ship to": "Recipient", "payee": "Payee", "beneficiary": "Beneficiary", "prepared for": "Client",
    "prepared by": "Author", "witness": "Witness", "inspector": "Inspector", "inspected by": "Inspector",
}  # fmt: skip
MONTHS = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"

_SUFFIX = (
    r"(?:Limited|Ltd|LLC|Inc|GmbH|AG|S\.A\.|SA|B\.V\.|BV|N\.V\.|PLC|plc|LLP|Corp|Corporation|Oy|AB|SARL|Pty)"
)
_JOINER = r"(?:of|de|van|von|der|the|du|la)"
_WORD = r"[A-Z][\w&.'’/-]{0,40}"
_NAME = rf"{_WORD}(?:[ \t\n]+(?:{_JOINER}[ \t\n]+){{0,2}}(?:{_WORD}|&)){{0,7}}"
NAME = re.compile(_NAME)
COMPANY = re.compile(rf"\b{_WORD}(?:[ \t\n]+(?:{_WORD}|&|{_JOINER})){{0,6}}?,?[ \t\n]+{_SUFFIX}(?!\w)")
PERSON = re.compile(rf"\b(?:Mr|Mrs|Ms|Dr|Prof)\.?[ \t\n]+{_WORD}(?:[ \t\n]+{_WORD}){{0,3}}")

# … Limited, a company registered in … ("the Landlord"), or: hereinafter referred to as the "Landlord".
DEFINITION = re.compile(
    r"(?:\(\s*(?:hereinafter\s+)?|\bhereinafter\s+)(?:referred\s+to\s+as\s+|called\s+)?"
    rf"(?:the\s+)?[\"“‘'](?:the\s+)?(?P<role>{ROLES})[\"”’']",
    re.IGNORECASE,
)
INTRODUCTION = re.compile(
    r"\b(?:by\s+and\s+between|between|among)\b\s*:?\s*(?:\(?\d\)?[.)]?\s+)?", re.IGNORECASE
)
BETWEEN = re.compile(rf"\b(?i:between)\s+(?P<one>{_NAME}),?\s+and\s+(?P<two>{_NAME})")
LABELLED = re.compile(
    rf"^[ \t]*(?:the[ \t]+)?(?P<role>{ROLES}|{'|'.join(LABELS)})(?:[ \t]+name)?[ \t]*:[ \t]*\n?"
    r"[ \t]*(?P<name>\S[^\n]{1,90})",
    re.IGNORECASE | re.MULTILINE,
)
DEAR = re.compile(
    r"^[ \t]*Dear[ \t]+(?P<name>(?:Mr|Mrs|Ms|Dr|Prof)\.?(?:[ \t]+[A-Z][\w'’-]+){1,3})", re.MULTILINE
)
CLOSING = re.compile(
    r"^[ \t]*(?:Yours (?:sincerely|faithfully|truly)|(?:Kind|Best) regards|Sincerely),?[ \t]*\n"
    r"\s*(?P<name>[A-Z][^\n,]{2,50})",
    re.MULTILINE,
)
NOT_A_NAME = re.compile(rf"(?:the|this|a|an|per|n/a|{MONTHS}\w*\s+\d)\b", re.IGNORECASE)
MAX_NAME_CHARS = 90


class _Named(NamedTuple):
    start: int
    end: int
    name: str
    title: str
    confidence: float


class PartyFinder:
    """Remembers who was named: a party is a finding where it is introduced, and not on every page again."""

    def __init__(self) -> None:
        self._seen: set[tuple[str, str]] = set()
        self._names: set[str] = set()

    def in_passage(self, passage: Passage) -> Iterator[Hit]:
        # What is defined first: a company that is introduced as the Landlord is not also merely named.
        candidates = [*_introduced(passage.text), *_between(passage.text), *_companies(passage.text)]
        for named in candidates:
            if self._is_new(named):
                yield _hit(
                    passage.page, named, start=passage.start, quote=quote_of(passage, named.start, named.end)
                )

    def in_page(self, page: int, text: str) -> Iterator[Hit]:
        """Labels and letters, which go over lines that are passages of their own."""
        for named in _labelled(text):
            if self._is_new(named):
                yield _hit(page, named, start=0, quote=text[named.start : named.end].strip())

    def _is_new(self, named: _Named) -> bool:
        name = named.name.lower()
        is_mere_mention = named.confidence < 0.7 and name in self._names
        if len(name) < 3 or is_mere_mention or (name, named.title) in self._seen:
            return False
        self._seen.add((name, named.title))
        self._names.add(name)
        return True


def _introduced(text: str) -> Iterator[_Named]:
    start = 0
    for match in DEFINITION.finditer(text):
        lead = text[start : match.start()]
        name = _name_before(lead)
        if name is not None:
            yield _Named(start + name.start(), match.end(), _tidy(name[0]), _capitalised(match["role"]), 0.95)
        start = match.end()


def _name_before(lead: str) -> re.Match[str] | None:
    """The name that a definition in brackets stands for: the first one after "between", or of the clause."""
    introductions = list(INTRODUCTION.finditer(lead))
    first = introductions[-1].end() if introductions else 0
    if not introductions and (numbering := NUMBERING.match(lead)):
        first = numbering.end()
    for pattern in (COMPANY, PERSON, NAME):
        for name in pattern.finditer(lead, first):
            if not NOT_A_NAME.match(name[0]):
                return name
    return None


def _between(text: str) -> Iterator[_Named]:
    if DEFINITION.search(text):
        return
    for match in BETWEEN.finditer(text):
        for group in ("one", "two"):
            yield _Named(match.start(group), match.end(group), _tidy(match[group]), "Party", 0.75)


def _companies(text: str) -> Iterator[_Named]:
    for match in COMPANY.finditer(text):
        yield _Named(match.start(), match.end(), _tidy(match[0]), "Company named", 0.6)


def _labelled(text: str) -> Iterator[_Named]:
    for match in LABELLED.finditer(text):
        name = re.split(r"\s{2,}|[;|(]|,\s+(?!Inc|Ltd|LLC)", match["name"])[0].strip()
        if name[:1].isupper() and not NOT_A_NAME.match(name) and not name.endswith(":"):
            end = match.start("name") + len(name)
            role = LABELS.get(match["role"].lower(), _capitalised(match["role"]))
            yield _Named(match.start(), end, _tidy(name), role, 0.85)
    for pattern, title in ((DEAR, "Addressee"), (CLOSING, "Signed by")):
        for match in pattern.finditer(text):
            yield _Named(match.start(), match.end(), _tidy(match["name"]), title, 0.8)


def _capitalised(role: str) -> str:
    return role[:1].upper() + role[1:].lower()


def _tidy(name: str) -> str:
    return plain(name).strip(" .,:;-–—")[:MAX_NAME_CHARS]


def _hit(page: int, named: _Named, *, start: int, quote: str) -> Hit:
    finding = {
        "kind": "party",
        "title": named.title,
        "value": named.name,
        "page": page,
        "quote": quote,
        "confidence": named.confidence,
    }
    return Hit(start + named.start, finding)
