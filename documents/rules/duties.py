"""Obligations: who shall, must or undertakes to do what."""

import re
from collections.abc import Iterator

from documents.rules.passages import NUMBERING, Hit, Passage, phrase, plain, quote_of, shorten

MODAL = phrase(
    r"(?P<modal>shall|must|will|may not|agrees? (?:not )?to|undertakes? (?:not )?to|covenants? (?:not )?to"
    r"|(?:is|are) (?:required|obliged|obligated) to|(?:is|are) responsible for)\b"
)
REQUEST = phrase(r"(?:please|kindly) (?!note|find|see|do not hesitate|contact)[a-z]+\b")
CONFIDENCE = {"shall": 0.9, "must": 0.9, "will": 0.7, "may not": 0.8}
# "shall be governed by", "shall commence on" say how things are, not what someone has to do: terms and dates.
STATES_A_FACT = re.compile(
    r"\s*(?:not\s+)?(?:"
    r"be\s+(?:governed|construed|deemed|binding|interpreted|effective|valid|void|entitled|liable)"
    r"|commence|begin|start|end\b|expire|continue|mean|apply|prevail|constitute|include"
    r"|have\s+the\s+(?:right|meaning))",
    re.IGNORECASE,
)
DETERMINERS = {
    "the",
    "each",
    "both",
    "either",
    "neither",
    "all",
    "any",
    "no",
    "every",
    "this",
    "such",
    "an",
    "a",
}
PRONOUNS = {"it", "he", "she", "they", "we", "you", "i"}
JOINERS = {"of", "in", "to", "or", "and", "for", "from", "’s"}
MAX_SUBJECT_WORDS = 8
CLAUSE = re.compile(r"[,;:.]\s")


def find_obligations(passage: Passage) -> Iterator[Hit]:
    """One finding a passage: the first duty in it."""
    for match in MODAL.finditer(passage.text):
        if STATES_A_FACT.match(passage.text, match.end()):
            continue
        subject = _subject(passage.text[: match.start()])
        if subject and subject.lower() != "no event":
            yield _hit(passage, match, subject=subject, modal=plain(match["modal"]).lower())
            return
    if request := REQUEST.search(passage.text):
        yield _hit(passage, request, subject="", modal="please")


def _subject(before: str) -> str:
    """Who has the duty: the words before the verb, back to where the noun begins."""
    words = CLAUSE.split(NUMBERING.sub("", before, count=1))[-1].split()[-MAX_SUBJECT_WORDS:]
    if not words:
        return ""
    if words[-1].lower() in PRONOUNS:
        return words[-1]
    begins = [index for index, word in enumerate(words) if word.lower() in DETERMINERS]
    # "the cost of the repairs": the noun begins at the earlier article.
    while len(begins) > 1 and words[begins[-1] - 1].lower() in JOINERS:
        begins.pop()
    if not begins:
        begins = [index for index, word in enumerate(words) if word[:1].isupper()][-1:]
    return " ".join(words[begins[-1] :] if begins else words)


def _hit(passage: Passage, match: re.Match[str], *, subject: str, modal: str) -> Hit:
    rest = plain(re.split(r"(?<=[a-z)])[.;](?:\s|$)", passage.text[match.end() :])[0])
    said = f"{subject} {plain(match[0])} {rest}".strip()
    finding = {
        "kind": "obligation",
        "title": shorten(_title(subject, modal=modal, rest=rest, said=said), 80),
        "value": shorten(said[:1].upper() + said[1:], 280),
        "page": passage.page,
        "quote": quote_of(passage, *match.span()),
        "confidence": CONFIDENCE.get(modal, 0.75),
    }
    return Hit(passage.start + match.start(), finding)


def _title(subject: str, *, modal: str, rest: str, said: str) -> str:
    """ "Tenant: pay a rent of …"; a duty without an actor is said in full."""
    if not subject:
        return f"Request: {said}"
    if rest.startswith(("be ", "not be ")):
        return said[:1].upper() + said[1:]
    who = re.sub(r"^(?:the|an?)\s+", "", subject, flags=re.IGNORECASE)
    negation = "not " if "not" in modal.split() else ""
    return f"{who[:1].upper()}{who[1:]}: {negation}{rest}"
