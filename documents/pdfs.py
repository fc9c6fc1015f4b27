"""PDF files through PDFium: open them safely, count, read and render their pages.

PDFium keeps global state and is not thread safe, so every call is made under one lock. (Steps run in prefork
processes; the lock is for the threads of a web process and for the tests.)
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

import pypdfium2
import pypdfium2.raw as pdfium
from PIL import Image

from documents.errors import Unreadable

PDFIUM = RLock()
EOF_WITHIN_BYTES = 4_096  # from the end; some programs append a little after the end mark
FULL_PAGE_SHARE = 0.5  # of the page's area that one picture covers: the page is a scan

DAMAGED = "The PDF is damaged or was cut off while it was copied. Export or download it again and retry."
ENCRYPTED = (
    "The PDF is protected by a password. Remove the protection (for example: print to a new PDF) and retry."
)
NO_PAGES = "The PDF has no pages. Export it again from the program it was made with."


class OpenPdf:
    """An open document. Each call takes the lock for itself: a long reading does not keep others out."""

    def __init__(self, document: pypdfium2.PdfDocument) -> None:
        self._document = document
        self.page_count = len(document)

    def text(self, number: int) -> str:
        """The text layer of page `number` (from 1), as it comes. Raises pypdfium2.PdfiumError."""
        with self._page(number) as page:
            text_page = page.get_textpage()
            try:
                return str(text_page.get_text_bounded(errors="replace"))
            finally:
                text_page.close()

    def is_scan(self, number: int) -> bool:
        """Whether one picture covers most of the page: a few words of text are then only a stamp."""
        with self._page(number) as page:
            width, height = page.get_size()
            pictures = page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_IMAGE], max_depth=3)
            return any(
                _area(picture.get_bounds()) >= FULL_PAGE_SHARE * width * height for picture in pictures
            )

    def render(self, number: int, *, dots_per_inch: int, max_pixels: int) -> Image.Image:
        """The page as a grey picture, in a lower resolution where it would exceed `max_pixels`."""
        with self._page(number) as page:
            width, height = page.get_size()
            scale = min(dots_per_inch / 72, (max_pixels / max(width * height, 1)) ** 0.5)
            bitmap = page.render(scale=scale, grayscale=True)
            try:
                image: Image.Image = bitmap.to_pil().copy()  # the bitmap's memory goes with it
            finally:
                bitmap.close()
            return image

    @contextmanager
    def _page(self, number: int) -> Iterator[pypdfium2.PdfPage]:
        with PDFIUM:
            page = self._document[number - 1]
            try:
                yield page
            finally:
                page.close()


@contextmanager
def open_pdf(content: bytes) -> Iterator[OpenPdf]:
    """Raises Unreadable."""
    # PDFium repairs what it can: of half a contract it would show half and not say so.
    if b"%%EOF" not in content[-EOF_WITHIN_BYTES:]:
        raise Unreadable("damaged-document", DAMAGED)
    with PDFIUM:
        document = _load(content)
        opened = OpenPdf(document)
    try:
        yield opened
    finally:
        with PDFIUM:
            document.close()


def count_pages(content: bytes) -> int:
    """Raises Unreadable."""
    with open_pdf(content) as document:
        return document.page_count


def _area(bounds: tuple[float, float, float, float]) -> float:
    left, bottom, right, top = bounds
    return (right - left) * (top - bottom)


def _load(content: bytes) -> pypdfium2.PdfDocument:
    """`content` must outlive the document: PDFium reads from it."""
    # Not through PdfDocument(content): of a document without pages it reports the error of an earlier one.
    handle = pdfium.FPDF_LoadMemDocument64(content, len(content), None)
    if not handle:
        if pdfium.FPDF_GetLastError() in (pdfium.FPDF_ERR_PASSWORD, pdfium.FPDF_ERR_SECURITY):
            raise Unreadable("encrypted-document", ENCRYPTED)
        raise (
            Unreadable("no-pages", NO_PAGES)
            if _has_no_page(content)
            else Unreadable("damaged-document", DAMAGED)
        )
    if pdfium.FPDF_GetPageCount(handle) < 1:
        pdfium.FPDF_CloseDocument(handle)
        raise Unreadable("no-pages", NO_PAGES)
    return pypdfium2.PdfDocument(handle)


def _has_no_page(content: bytes) -> bool:
    return bool(re.search(rb"/Count\s+0\b", content)) and not re.search(rb"/Type\s*/Page\b", content)
