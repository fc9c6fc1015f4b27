"""A stored document in, its text page by page out: the text layer where there is one, else OCR."""

import re
import time
from collections.abc import Callable, Iterator
from typing import Literal

from PIL import Image
from pydantic import BaseModel, Field

from documents import pdfs
from documents.conf import conf
from documents.decoding import clean, decode_text
from documents.images import load_image
from documents.ocr import OcrFailed, read_image
from documents.sniffing import MediaType

Source = Literal["text-layer", "ocr", "none"]

MARKER = re.compile(r"^\[page (\d+)\]$", re.MULTILINE)
# Where a word was broken at a line's end PDFium puts one of these in place of the hyphen.
BROKEN_WORD = re.compile("[\ufffe\x02]\n?")
STAMP_MAX_CHARS = 200  # on a page that is one picture, less text than this is a stamp and not the page's text

TEXT_SHARE = 2  # taken of a page over what is kept of the document, as tidying makes it shorter


class Page(BaseModel):
    number: int = Field(ge=1)
    text: str
    source: Source
    warning: str = ""


OnPage = Callable[[Page, int], None]  # (the page that was read, pages in all)


class ExtractedText(BaseModel):
    pages: list[Page]
    warnings: list[str] = []  # about the document as a whole; each page has its own

    def marked(self) -> str:
        """The whole text; a line `[page N]` stands before each page."""
        # A document that contains such a line itself must not be able to move its findings to other pages.
        texts = ((page.number, MARKER.sub(r"(page \1)", page.text)) for page in self.pages)
        return "\n".join(f"[page {number}]\n{text}" for number, text in texts)

    def all_warnings(self) -> list[str]:
        return [*self.warnings, *(page.warning for page in self.pages if page.warning)]


def read_document(content: bytes, media_type: MediaType, *, on_page: OnPage | None = None) -> ExtractedText:
    """The text of a document; on_page is called after each page.

    Raises Unreadable when the document cannot be opened. A single page that cannot be read becomes a page
    without text and with a warning.
    """
    document = ExtractedText(pages=[])
    readers = {"application/pdf": _read_pdf, "text/plain": _read_text}
    room = conf().text_max_chars
    for page, pages in readers.get(media_type, _read_picture)(content, document.warnings):
        document.pages.append(_cut(page, room=room))
        room -= len(document.pages[-1].text)
        if on_page is not None:
            on_page(document.pages[-1], pages)
    return document


def _read_pdf(content: bytes, warnings: list[str]) -> Iterator[tuple[Page, int]]:
    ends_at = time.monotonic() + conf().ocr_total_timeout_seconds
    with pdfs.open_pdf(content) as document:
        pages = min(document.page_count, conf().upload_max_pages)
        if pages < document.page_count:
            warnings.append(f"Only the first {pages} of {document.page_count} pages were read.")
        for number in range(1, pages + 1):
            yield _read_pdf_page(document, number, seconds_left=ends_at - time.monotonic()), pages


def _read_pdf_page(document: pdfs.OpenPdf, number: int, *, seconds_left: float) -> Page:
    try:
        text = _tidy(document.text(number, max_chars=TEXT_SHARE * conf().text_max_chars))
        if _is_usable(text) and not (len(text) < STAMP_MAX_CHARS and document.is_scan(number)):
            return Page(number=number, text=text, source="text-layer")
        image = document.render(
            number, dots_per_inch=conf().ocr_dots_per_inch, max_pixels=conf().ocr_max_pixels
        )
    except pdfs.PageUnreadable as problem:
        return _unread(number, f"Page {number} {problem}.")
    page = _read_scan(image, number=number, seconds_left=seconds_left)
    if len(page.text) < len(text):  # a short text layer is better than none
        return page.model_copy(update={"text": text, "source": "text-layer"})
    return page


def _read_picture(content: bytes, warnings: list[str]) -> Iterator[tuple[Page, int]]:
    image = load_image(content, max_pixels=conf().ocr_max_pixels)
    yield _read_scan(image, number=1, seconds_left=conf().ocr_total_timeout_seconds), 1


def _read_scan(image: Image.Image, *, number: int, seconds_left: float) -> Page:
    scan = f"Page {number} is a scan and"
    if seconds_left <= 0:
        limit = conf().ocr_total_timeout_seconds
        return _unread(number, f"{scan} was not read: the OCR of this document took longer than {limit:g} s.")
    try:
        text = read_image(image, timeout_seconds=seconds_left)
    except OcrFailed as problem:
        return _unread(number, f"{scan} could not be read: {problem}.")
    if text:
        return Page(number=number, text=text, source="ocr")
    darkest, lightest = image.getextrema()
    return _unread(number, "" if darkest == lightest else f"No text was recognised on page {number}.")


def _read_text(content: bytes, warnings: list[str]) -> Iterator[tuple[Page, int]]:
    text, repairs = decode_text(content)
    warnings.extend(repairs)
    parts = text.split("\f")
    pages = min(len(parts), conf().upload_max_pages)
    parts = [*parts[: pages - 1], "\n".join(parts[pages - 1 :])]
    for number, part in enumerate(parts, start=1):
        source: Source = "text-layer" if part.strip() else "none"
        yield Page(number=number, text=part.strip("\n"), source=source), pages


def _unread(number: int, warning: str) -> Page:
    return Page(number=number, text="", source="none", warning=warning)


def _tidy(text: str) -> str:
    return clean(BROKEN_WORD.sub("", text.replace("\r\n", "\n"))).replace("\f", "\n").strip()


def _is_usable(text: str) -> bool:
    """Whether a text layer holds real words: some are empty, some are codes of a font without a table."""
    words = sum(char.isalnum() for char in text)
    broken = sum(char == "\ufffd" or "\ue000" <= char <= "\uf8ff" for char in text)
    return words >= conf().text_layer_min_chars and broken * 5 < len(text)


def _cut(page: Page, *, room: int) -> Page:
    if len(page.text) <= room:
        return page
    limit = conf().text_max_chars
    warning = f"Page {page.number} was cut: of a document, {limit} characters of text are read."
    return page.model_copy(update={"text": page.text[: max(room, 0)], "warning": warning})
