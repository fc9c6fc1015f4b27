"""Documents as people send them, and as nobody should: each is built here, none is kept as a file."""

import io
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont
from reportlab.lib.pagesizes import A4
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from documents.samples.build import FONTS

LINES = (
    "The lease commences on 1 February 2027.",
    "The Tenant shall pay a rent of EUR 900.00 per month.",
    "The Tenant shall indemnify the Landlord.",
)
PROGRAM = b"MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff\x00\x00" + bytes(range(256)) * 8


def pdf(*pages: Sequence[str], password: str | None = None) -> bytes:
    """A PDF with a text layer, one page for each sequence of lines."""
    target = io.BytesIO()
    encryption = StandardEncryption(password, "owner") if password is not None else None
    canvas = Canvas(target, pagesize=A4, invariant=True, encrypt=encryption)
    for lines in pages or [LINES]:
        for number, line in enumerate(lines):
            canvas.drawString(72, 760 - 20 * number, line)
        canvas.showPage()
    canvas.save()
    return target.getvalue()


def pdf_without_pages() -> bytes:
    return _assembled(b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[]/Count 0>>")


def pdf_of_a_giant_page() -> bytes:
    """A page of 5 by 5 metres, blank."""
    return _assembled(
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 14400 14400]>>",
    )


def picture(lines: Sequence[str] = LINES, *, size: tuple[int, int] = (1240, 600)) -> Image.Image:
    """A sheet of paper with typed lines."""
    image = Image.new("L", size, 248)
    font = ImageFont.truetype(FONTS / "Vera.ttf", 28)
    draw = ImageDraw.Draw(image)
    for number, line in enumerate(lines):
        draw.text((60, 60 + 60 * number), line, font=font, fill=20)
    return image


def encoded(image: Image.Image, form: str = "PNG") -> bytes:
    target = io.BytesIO()
    image.save(target, form)
    return target.getvalue()


def scan_pdf(*, stamp: str = "") -> bytes:
    """A PDF whose only page is a picture; `stamp` is a short text layer on it, as scanners add."""
    target = io.BytesIO()
    canvas = Canvas(target, pagesize=A4, invariant=True)
    canvas.drawImage(ImageReader(picture(size=(1240, 1754))), 0, 0, *A4)
    if stamp:
        canvas.drawString(72, 40, stamp)
    canvas.showPage()
    canvas.save()
    return target.getvalue()


def _assembled(*objects: bytes) -> bytes:
    """A PDF file of these objects, the first of which is its catalogue."""
    body, offsets = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    count = len(objects) + 1
    return body + (
        b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n"
        % (count, table, count, len(body))
    )
