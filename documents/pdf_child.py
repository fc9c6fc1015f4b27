"""Reads one PDF by PDFium, in a process of its own: a few kilobytes of PDF can ask for gigabytes and hours.

Run by path, without Django and without secrets: `python -I pdf_child.py MEMORY_BYTES`; `documents/pdfs.py` is the
other side. It says READY, takes one JSON line `{"bytes", "seconds"}` and the file, then answers each JSON line:

    (opened)                                            {"pages"}
    {"do": "text", "page", "max_chars", "seconds"}      {"text"}
    {"do": "is_scan", "page", "seconds"}                {"is_scan"}
    {"do": "size", "page", "seconds"}                   {"width", "height"}, in points
    {"do": "render", "page", "scale", "seconds"}        {"width", "height", "stride"}, then the grey bytes

`seconds` is the processor time that the answer may take. {"problem": a code} takes the place of an answer; on more
than it may use the process dies.
"""

import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import pypdfium2
import pypdfium2.raw as pdfium

Answer = dict[str, Any]

READY = b"ready\n"
LOOKED_AT_PAGES = 1_000  # for one that is there at all; documents with more are not read
FULL_PAGE_SHARE = 0.5  # of the page's area that one picture covers: the page is a scan


class Problem(Exception):
    """The message is the code of what is wrong with the file."""


def main(memory_bytes: int) -> None:
    source, target = sys.stdin.buffer, sys.stdout.buffer
    _limit_memory(memory_bytes)
    target.write(READY)
    target.flush()
    head = json.loads(source.readline())
    _limit_seconds(head["seconds"])
    content = source.read(head["bytes"])
    try:
        document = _load(content)
    except Problem as problem:
        _say(target, {"problem": str(problem)})
        return
    _say(target, {"pages": len(document)})
    for line in source:
        question = json.loads(line)
        _limit_seconds(question["seconds"])
        try:
            TASKS[question["do"]](document, question, target)
        except pypdfium2.PdfiumError:
            _say(target, {"problem": "damaged-page"})


def _text(document: pypdfium2.PdfDocument, question: Answer, target: BinaryIO) -> None:
    with _page(document, question) as page:
        text_page = page.get_textpage()
        text = text_page.get_text_bounded(errors="replace")
        _say(target, {"text": text[: question["max_chars"]]})


def _is_scan(document: pypdfium2.PdfDocument, question: Answer, target: BinaryIO) -> None:
    with _page(document, question) as page:
        width, height = page.get_size()
        pictures = page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_IMAGE], max_depth=3)
        covered = any(_area(picture.get_bounds()) >= FULL_PAGE_SHARE * width * height for picture in pictures)
        _say(target, {"is_scan": covered})


def _size(document: pypdfium2.PdfDocument, question: Answer, target: BinaryIO) -> None:
    with _page(document, question) as page:
        width, height = page.get_size()
        _say(target, {"width": width, "height": height})


def _render(document: pypdfium2.PdfDocument, question: Answer, target: BinaryIO) -> None:
    with _page(document, question) as page:
        bitmap = page.render(scale=question["scale"], grayscale=True)
        _say(target, {"width": bitmap.width, "height": bitmap.height, "stride": bitmap.stride})
        target.write(memoryview(bitmap.buffer))
        target.flush()


TASKS: dict[str, Callable[[pypdfium2.PdfDocument, Answer, BinaryIO], None]] = {
    "text": _text,
    "is_scan": _is_scan,
    "size": _size,
    "render": _render,
}


@contextmanager
def _page(document: pypdfium2.PdfDocument, question: Answer) -> Iterator[pypdfium2.PdfPage]:
    page = document[question["page"] - 1]
    try:
        yield page
    finally:
        page.close()


def _area(bounds: tuple[float, float, float, float]) -> float:
    left, bottom, right, top = bounds
    return (right - left) * (top - bottom)


def _load(content: bytes) -> pypdfium2.PdfDocument:
    """`content` must outlive the document: PDFium reads from it."""
    # Not through PdfDocument(content): of a document without pages it reports the error of an earlier one.
    handle = pdfium.FPDF_LoadMemDocument64(content, len(content), None)
    if not handle:
        if pdfium.FPDF_GetLastError() in (pdfium.FPDF_ERR_PASSWORD, pdfium.FPDF_ERR_SECURITY):
            raise Problem("encrypted-document")
        raise Problem("no-pages" if _has_no_page(content) else "damaged-document")
    if pdfium.FPDF_GetPageCount(handle) < 1:
        raise Problem("no-pages")
    if not _has_readable_page(handle):
        raise Problem("damaged-document")
    return pypdfium2.PdfDocument(handle)


def _has_readable_page(handle: Any) -> bool:
    """Whether a page that is counted is also there. Its content stays unread: it may take memory and time."""
    size = pdfium.FS_SIZEF()
    counted = min(pdfium.FPDF_GetPageCount(handle), LOOKED_AT_PAGES)
    return any(pdfium.FPDF_GetPageSizeByIndexF(handle, index, size) for index in range(counted))


def _has_no_page(content: bytes) -> bool:
    return bool(re.search(rb"/Count\s+0\b", content)) and not re.search(rb"/Type\s*/Page\b", content)


def _say(target: BinaryIO, answer: Answer) -> None:
    target.write(json.dumps(answer).encode() + b"\n")
    target.flush()


def _limit_memory(size: int) -> None:
    """Of the whole address space: PDFium ends the process when it cannot have more. Only Linux keeps to it."""
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (size, size))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core would be as large as what was refused


def _limit_seconds(seconds: float) -> None:
    """Of processor time from now on: the kernel keeps this limit when nobody waits any more."""
    if sys.platform == "linux":
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF)
        limit = int(used.ru_utime + used.ru_stime + seconds) + 1
        highest = resource.getrlimit(resource.RLIMIT_CPU)[1]
        if highest == resource.RLIM_INFINITY or limit < highest:
            resource.setrlimit(resource.RLIMIT_CPU, (limit, highest))


if __name__ == "__main__":
    main(int(sys.argv[1]))
