"""Documents as people send them, and as nobody should: each is built here, none is kept as a file."""

import io
import struct
import zlib
from collections.abc import Sequence
from typing import Any

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


def pdf_of_lost_pages() -> bytes:
    """A file that counts two pages, of which none is there."""
    return _assembled(b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[7 0 R 8 0 R]/Count 2>>")


def pdf_of_a_giant_page() -> bytes:
    """A page of 5 by 5 metres, blank."""
    return pdf_of_size("14400", "14400")


def pdf_of_size(width: str, height: str) -> bytes:
    """One blank page; sides in points."""
    return _assembled(
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 %s %s]>>" % (width.encode(), height.encode()),
    )


def pdf_bomb(*, unpacked_bytes: int = 400_000_000) -> bytes:
    """A file of a few kilobytes whose table of contents, packed three times over, unpacks to hundreds of megabytes."""
    objects = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 10 10]>>",
    )
    body, rows = b"%PDF-1.5\n", bytes(6)
    for number, content in enumerate(objects, start=1):
        rows += b"\1" + len(body).to_bytes(4, "big") + b"\0"
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    rows += b"\1" + len(body).to_bytes(4, "big") + b"\0"
    packed = _packed_zeros(rows, unpacked_bytes)
    for _ in range(2):
        packed = zlib.compress(packed, 9)
    head = b"4 0 obj\n<</Type/XRef/Size 5/W[1 4 1]/Root 1 0 R/Filter[%s]/Length %d>>stream\n" % (
        b"/FlateDecode " * 3,
        len(packed),
    )
    return body + head + packed + b"\nendstream\nendobj\nstartxref\n%d\n%%%%EOF" % len(body)


def _packed_zeros(head: bytes, size: int) -> bytes:
    packer, block = zlib.compressobj(9), bytes(1_000_000)
    return b"".join([packer.compress(head), *(packer.compress(block) for _ in range(size // len(block)))]) + (
        packer.flush()
    )


def pdf_with_a_bomb_on_its_first_page(*, unpacked_bytes: int = 400_000_000) -> bytes:
    """Two pages: the first one's content unpacks to hundreds of megabytes, the second is an ordinary text."""
    text = b"BT /F1 12 Tf 72 700 Td (The Tenant shall pay a rent of EUR 900.00 per month.) Tj ET"
    plain = b"<</Length %d>>stream\n%s\nendstream" % (len(text), text)
    return _of_pages([0, 1], contents=[_bomb_content(unpacked_bytes), plain])


def pdf_of_bombs(*, pages: int, unpacked_bytes: int = 400_000_000) -> bytes:
    """Pages that all show the same content, which unpacks to hundreds of megabytes."""
    return _of_pages([0] * pages, contents=[_bomb_content(unpacked_bytes)])


def _bomb_content(unpacked_bytes: int) -> bytes:
    packed = _packed_zeros(b"", unpacked_bytes)
    return b"<</Filter/FlateDecode/Length %d>>stream\n%s\nendstream" % (len(packed), packed)


def _of_pages(pages: Sequence[int], *, contents: Sequence[bytes]) -> bytes:
    """A4 pages, each given by the index of its content."""
    first_content = 3 + len(pages)
    font = first_content + len(contents)
    page = (
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<</Font<</F1 %d 0 R>>>>/Contents %d 0 R>>"
    )
    kids = b" ".join(b"%d 0 R" % (3 + number) for number in range(len(pages)))
    return _assembled(
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[%s]/Count %d>>" % (kids, len(pages)),
        *(page % (font, first_content + index) for index in pages),
        *contents,
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    )


def picture(lines: Sequence[str] = LINES, *, size: tuple[int, int] = (1240, 600)) -> Image.Image:
    """A sheet of paper with typed lines."""
    image = Image.new("L", size, 248)
    font = ImageFont.truetype(FONTS / "Vera.ttf", 28)
    draw = ImageDraw.Draw(image)
    for number, line in enumerate(lines):
        draw.text((60, 60 + 60 * number), line, font=font, fill=20)
    return image


def encoded(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    target = io.BytesIO()
    image.save(target, form, **options)
    return target.getvalue()


def png_of_half_its_rows() -> bytes:
    """A PNG with all its marks and checksums, of whose rows half are missing: only who decodes it can tell."""
    side = 100
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes((side + 1) * side), 0)
    chunks = ((b"IHDR", header), (b"IDAT", rows[: len(rows) // 2]), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


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
