"""The text of a page cut into passages: sentences, list entries, table rows, headings.

Every passage is a verbatim slice of its page, so a quote cut from it can be found in the document again.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

MARKER = re.compile(r"^\[page (\d{1,6})\]$", re.MULTILINE)
MAX_QUOTE_CHARS = 600
MAX_HEADING_CHARS = 60
SHORT_LINE_SHARE = 0.66  # of the longest line: a shorter one ends its paragraph
MIN_LINE_CHARS = 40
WORD_CHARS = 24  # looked at before a full stop: longer than any abbreviation

NEW_BLOCK = re.compile(
    r"\s*(?:"
    r"\d{1,2}[.)]\s+[A-Z]"  # 3. Deposit
    r"|\d{1,2}(?:\.\d{1,2}){1,3}\.?\s+\S"  # 3.1 The Tenant
    r"|[A-Z]\.\d{1,2}\s+\S"  # C.1 Deliveries
    r"|\([a-z0-9]{1,4}\)\s|[a-z]\)\s"  # (a) …
    r"|[-–—•*▪·]\s"
    r"|[A-Z][\w '&/().-]{0,38}:(?:\s|$)"  # Landlord: …
    r")"
)
NUMBERING = re.compile(
    r"\s*(?:\d{1,2}[.)]|\d{1,2}(?:\.\d{1,2}){1,3}\.?|[A-Z]\.\d{1,2}|\([a-z0-9]{1,4}\)|[a-z]\)|[-–—•*▪·])\s+"
)
HEADING = re.compile(r"(?:\d{1,2}[.)]?\s+)?(?:[A-Z][A-Z0-9 ,&/'’–-]+|[A-Z][\w ,&/'’–-]+)")
SENTENCE_END = re.compile(r"[.!?;][\"”’')\]]*\s+(?=[\"“‘'(\[]?[A-Z0-9€$£])")
ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:"
    r"(?<!Exhibit )(?<!Annex )(?<!Schedule )(?<!Appendix )(?<!Part )[A-Z]"
    r"|no|nos|inc|ltd|co|corp|mr|mrs|ms|dr|prof|st|art|sec|cl|para|pp?|e\.g|i\.e|approx|vs|ref|tel"
    r")\.$",
    re.IGNORECASE,
)


def phrase(pattern: str) -> re.Pattern[str]:
    """A pattern of words: a space stands for any white space, the line ends of a PDF included."""
    return re.compile(rf"\b(?:{pattern.replace(' ', chr(92) + 's+')})", re.IGNORECASE)


class Passage(NamedTuple):
    text: str  # as in the document, line ends included
    start: int  # its place in the page
    page: int
    heading: str  # the heading it stands under, without its number

    @property
    def is_heading(self) -> bool:
        return is_heading(self.text)

    @property
    def is_row(self) -> bool:
        """Whether it is one line without the shape of a sentence: a table row, a label with a value."""
        return (
            "\n" not in self.text.strip() and len(self.text) <= 110 and not self.text.rstrip().endswith(".")
        )


class Hit(NamedTuple):
    start: int  # of the words in the page that gave it: the reading order
    finding: dict[str, Any]


def split_pages(text: str) -> Iterator[tuple[int, str]]:
    """(number, text) of each page; a text without `[page N]` lines is page 1."""
    marks = list(MARKER.finditer(text))
    before = text[: marks[0].start()] if marks else text
    if before.strip():
        yield 1, before
    ends = [*(mark.start() for mark in marks[1:]), len(text)]
    for mark, end in zip(marks, ends, strict=False):
        yield max(int(mark[1]), 1), text[mark.end() : end]


def passages(page: int, text: str) -> Iterator[Passage]:
    heading = ""
    for start, end in _blocks(text):
        block = text[start:end]
        if is_heading(block):
            heading = plain(NUMBERING.sub("", block, count=1))
        for first, last in _sentences(block):
            yield Passage(block[first:last], start + first, page, heading)


def is_heading(block: str) -> bool:
    line = block.strip()
    if "\n" in line or len(line) > MAX_HEADING_CHARS or not HEADING.fullmatch(line):
        return False
    return line.isupper() or bool(re.match(r"\d{1,2}[.)]?\s", line))


def quote_of(passage: Passage, start: int, end: int) -> str:
    """The passage, or of a very long one the part around text[start:end]; verbatim."""
    text = passage.text
    if len(text.strip()) <= MAX_QUOTE_CHARS:
        return text.strip()
    first = max(0, min(start - MAX_QUOTE_CHARS // 3, end - MAX_QUOTE_CHARS))
    window = text[first : first + MAX_QUOTE_CHARS]
    if first > 0:
        window = re.sub(r"^\S{0,40}\s", "", window)
    return window.strip()


def plain(text: str) -> str:
    """On one line, with single spaces."""
    return " ".join(text.split())


def shorten(text: str, limit: int) -> str:
    """On one line and at most `limit` characters, cut between words."""
    text = plain(text)
    if len(text) <= limit:
        return text
    return text[: limit - 1].rsplit(" ", 1)[0].rstrip(" ,;:") + "…"


def _blocks(text: str) -> Iterator[tuple[int, int]]:
    """(start, end) of paragraphs, list entries and rows."""
    lines = [(match.start(), match.end()) for match in re.finditer(r"[^\n]+", text)]
    widest = max((end - start for start, end in lines), default=0)
    full = max(widest * SHORT_LINE_SHARE, MIN_LINE_CHARS)
    start = end = -1
    for line_start, line_end in lines:
        if not text[line_start:line_end].strip():
            continue
        if start >= 0 and not _goes_on(text, (start, end), (line_start, line_end), full):
            yield start, end
            start = line_start
        start, end = (line_start if start < 0 else start), line_end
    if start >= 0:
        yield start, end


def _goes_on(text: str, block: tuple[int, int], line: tuple[int, int], full: float) -> bool:
    """Whether a line continues the block before it."""
    if text.count("\n", block[1], line[0]) > 1 or NEW_BLOCK.match(text, *line):
        return False
    last_line = text[
        text.rfind("\n", block[0], block[1]) + 1 if "\n" in text[slice(*block)] else block[0] : block[1]
    ]
    if is_heading(last_line):
        return False
    if text[line[0] : line[1]].lstrip()[:1].islower() or last_line.rstrip().endswith(","):
        return True
    return len(last_line.rstrip()) >= full


def _sentences(block: str) -> Iterator[tuple[int, int]]:
    start = 0
    for match in SENTENCE_END.finditer(block):
        if block[match.start()] == "." and not _ends_a_sentence(block, start, match.start() + 1):
            continue
        yield start, match.end()
        start = match.end()
    if block[start:].strip():
        yield start, len(block)


def _ends_a_sentence(block: str, start: int, end: int) -> bool:
    """Whether the full stop at the end of block[start:end] is one, and not part of "No." or of "3."."""
    last_words = block[max(start, end - WORD_CHARS) : end]
    is_number = end - start < WORD_CHARS and NUMBERING.fullmatch(last_words + " ")
    return not (is_number or ABBREVIATION.search(last_words))
