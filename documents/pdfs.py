"""PDF files through PDFium: open them safely, count, read and render their pages.

Every file is read by a short-lived process of its own, `documents/pdf_child.py`, whose memory and time are limited:
what a hostile file breaks is that process, and the answer is a sentence.
"""

import json
import math
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from PIL import Image

from documents.conf import conf
from documents.errors import Unreadable

READY = b"ready\n"  # the child's first word; not imported from it, which would load PDFium here
CHILD = Path(__file__).with_name("pdf_child.py")
EOF_WITHIN_BYTES = 4_096  # from the end; some programs append a little after the end mark
EXAMINING = (
    threading.Lock()
)  # one file at a time: what a server may use at once stays within one process's limits
MAX_STARTS = 5  # processes for one document: after so many that died, its other pages stay unread
START_TIMEOUT_SECONDS = 30.0  # of the bare process, which takes a tenth of one
ANSWER_OVERHEAD_BYTES = 1_000
BYTES_PER_CHAR = 12  # of a text in an answer, at most

PROBLEMS = {
    "damaged-document": "The PDF is damaged or was cut off while it was copied. "
    "Export or download it again and retry.",
    "encrypted-document": "The PDF is protected by a password. "
    "Remove the protection (for example: print to a new PDF) and retry.",
    "no-pages": "The PDF has no pages. Export it again from the program it was made with.",
}
TOO_HEAVY = (
    "The PDF cannot be opened: it breaks off, or takes more memory or time than any usual one. "
    "Print it to a new PDF and retry."
)


class PageUnreadable(Exception):
    """A single page that cannot be read. The message ends a sentence that begins with the page."""


class _Died(Exception):
    """The process broke down or was ended at one of its limits."""


class OpenPdf:
    """An open document. A page that breaks the reading process costs only itself: the next page starts another.

    Pages count from 1. Every method raises PageUnreadable.
    """

    def __init__(self, content: bytes) -> None:
        """Raises Unreadable."""
        self._content = content
        self._starts_left = MAX_STARTS
        self._child: _Child | None = None
        self.page_count = self._start().page_count

    def close(self) -> None:
        if self._child is not None:
            self._child.end()
            self._child = None

    def text(self, number: int, *, max_chars: int) -> str:
        """The text layer of the page as it comes, cut at `max_chars`."""
        answer = self._ask("text", number, max_chars=max_chars)
        return str(answer["text"])

    def is_scan(self, number: int) -> bool:
        """Whether one picture covers most of the page: a few words of text are then only a stamp."""
        return bool(self._ask("is_scan", number)["is_scan"])

    def render(self, number: int, *, dots_per_inch: int, max_pixels: int) -> Image.Image:
        """The page as a grey picture, in a lower resolution where it would exceed `max_pixels` or a side's limit."""
        page = self._ask("size", number)
        scale = render_scale(
            page["width"],
            page["height"],
            dots_per_inch=dots_per_inch,
            max_pixels=max_pixels,
            max_side=conf().ocr_max_side_pixels,
        )
        if scale is None:
            raise PageUnreadable("has a shape that cannot be read: it is far too long for its width")
        image: Image.Image = self._ask("render", number, scale=scale)["image"]
        return image

    def _ask(self, task: str, number: int, **details: Any) -> dict[str, Any]:
        try:
            answer = self._running().ask({"do": task, "page": number, **details})
        except (_Died, Unreadable):
            self.close()
            raise PageUnreadable("takes too much memory or time and could not be read") from None
        if "problem" in answer:
            raise PageUnreadable("is damaged and could not be read")
        return answer

    def _running(self) -> "_Child":
        return self._child or self._start()

    def _start(self) -> "_Child":
        if not self._starts_left:
            raise _Died
        self._starts_left -= 1
        self._child = _Child()
        try:
            self._child.open(self._content)
        except _Died:
            self.close()
            raise Unreadable("damaged-document", TOO_HEAVY) from None
        except BaseException:
            self.close()
            raise
        return self._child


class _Child:
    """The process. `ask` and `open` raise _Died, after which it only can be ended."""

    def __init__(self) -> None:
        self.page_count = 0
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(CHILD), str(conf().pdf_max_memory_bytes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # What it reads may take it over: it gets no secret of ours.
            env={name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ},
        )

    def open(self, content: bytes) -> None:
        """Raises Unreadable; OSError when the process does not come up, which is not the document's fault."""
        with self._within(START_TIMEOUT_SECONDS):
            if self._output.readline(len(READY)) != READY:
                raise OSError("the process that reads PDFs did not start")
        with self._within(conf().pdf_open_timeout_seconds) as seconds:
            self._send({"bytes": len(content), "seconds": seconds}, content)
            answer = self._receive()
        if "problem" in answer:
            raise Unreadable(answer["problem"], PROBLEMS[answer["problem"]])
        self.page_count = answer["pages"]

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """The answer; to `render` with the picture as "image"."""
        with self._within(conf().pdf_page_timeout_seconds) as seconds:
            self._send({**question, "seconds": seconds})
            answer = self._receive(max_chars=question.get("max_chars", 0))
            if "stride" in answer:
                size, stride = (answer["width"], answer["height"]), answer["stride"]
                pixels = self._output.read(stride * answer["height"])
                if len(pixels) < stride * answer["height"]:
                    raise _Died
                answer["image"] = Image.frombytes("L", size, pixels, "raw", "L", stride, 1)
        return answer

    def end(self) -> None:
        self._process.kill()
        for pipe in (self._input, self._output):
            with suppress(OSError):  # what is left in the buffer has no reader any more
                pipe.close()
        self._process.wait()

    @property
    def _input(self) -> Any:
        return self._process.stdin

    @property
    def _output(self) -> Any:
        return self._process.stdout

    @contextmanager
    def _within(self, seconds: float) -> Iterator[float]:
        """After `seconds` the process is killed, which ends whoever waits for it here."""
        timer = threading.Timer(seconds, self._process.kill)
        timer.daemon = True
        timer.start()
        try:
            yield seconds
        finally:
            timer.cancel()

    def _send(self, question: dict[str, Any], content: bytes = b"") -> None:
        try:
            self._input.write(json.dumps(question).encode() + b"\n" + content)
            self._input.flush()
        except BrokenPipeError:
            raise _Died from None

    def _receive(self, *, max_chars: int = 0) -> dict[str, Any]:
        line = self._output.readline(ANSWER_OVERHEAD_BYTES + BYTES_PER_CHAR * max_chars)
        if not line.endswith(b"\n"):
            raise _Died
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def open_pdf(content: bytes) -> Iterator[OpenPdf]:
    """Raises Unreadable."""
    # PDFium repairs what it can: of half a contract it would show half and not say so.
    if b"%%EOF" not in content[-EOF_WITHIN_BYTES:]:
        raise Unreadable("damaged-document", PROBLEMS["damaged-document"])
    document = OpenPdf(content)
    try:
        yield document
    finally:
        document.close()


def count_pages(content: bytes) -> int:
    """Raises Unreadable."""
    with EXAMINING, open_pdf(content) as document:
        return document.page_count


def render_scale(
    width: float, height: float, *, dots_per_inch: int, max_pixels: int, max_side: int
) -> float | None:
    """Pixels a point for a page of this size in points; None where nothing of it would be left to read."""
    if not (math.isfinite(width) and math.isfinite(height) and width > 0 and height > 0):
        return None
    scale = min(
        dots_per_inch / 72, max_side / max(width, height), math.sqrt(max_pixels / width) / math.sqrt(height)
    )
    # PDFium rounds both sides up, so a hair's width still costs a whole row of pixels.
    while math.ceil(width * scale) * math.ceil(height * scale) > max_pixels:
        scale *= 0.99
    return scale if min(width, height) * scale >= 1 else None
