"""Draws the sample: five pages with a text layer and one that is only a picture, as from a scanner.

The same library versions give the same bytes: fixed seed, no dates, fonts that reportlab brings along.
"""

import io
import math
import random
from pathlib import Path

import reportlab
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from reportlab.lib.colors import HexColor
from reportlab.lib.enums import TA_JUSTIFY
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Paragraph, Table, TableStyle
from reportlab.platypus.flowables import Flowable, Spacer

from documents.samples import lease

SAMPLE = Path(__file__).parent / "lease-agreement.pdf"
FONTS = Path(reportlab.__file__).parent / "fonts"
SEED = 20_261_123

INK, GREY, ACCENT = HexColor("#1c2430"), HexColor("#6b7684"), HexColor("#1f5f8b")
MARGIN = 24 * mm
TOP = A4[1] - 30 * mm
SCAN_SIZE = (1_240, 1_754)  # A4 at 150 dots per inch
SCAN_TILT_DEGREES = 0.7
SCAN_NOISE = 14  # of 255 grey levels, the widest a dot strays

BODY = ParagraphStyle(
    "body",
    fontName="Times-Roman",
    fontSize=12.5,
    leading=18.5,
    textColor=INK,
    alignment=TA_JUSTIFY,
    spaceAfter=9,
)
HEADING = ParagraphStyle(
    "heading",
    fontName="Helvetica-Bold",
    fontSize=13,
    leading=17,
    textColor=ACCENT,
    spaceBefore=14,
    spaceAfter=7,
)
TITLE = ParagraphStyle("title", fontName="Helvetica-Bold", fontSize=21, leading=26, textColor=INK)
SUBTITLE = ParagraphStyle("subtitle", fontName="Helvetica", fontSize=11, leading=16, textColor=GREY)


def build_sample() -> bytes:
    """The PDF."""
    target = io.BytesIO()
    canvas = Canvas(target, pagesize=A4, invariant=True, pageCompression=1)
    canvas.setTitle(f"{lease.TITLE}: {lease.SUBTITLE}")
    canvas.setAuthor("An invented example")
    pages: list[list[Flowable]] = [_sections(sections) for sections in lease.PAGES]
    pages[0] = [*_title(), *pages[0]]
    pages.append(_schedule())
    total = len(pages) + 2
    for number, flowables in enumerate(pages, start=1):
        _draw_page(canvas, flowables, number=number, total=total)
    _draw_scan(canvas)
    _draw_page(canvas, _sections(lease.CLOSING), number=total, total=total)
    canvas.save()
    return target.getvalue()


def _title() -> list[Flowable]:
    return [
        Paragraph(lease.TITLE, TITLE),
        Paragraph(lease.SUBTITLE, SUBTITLE),
        Paragraph(lease.REFERENCE, SUBTITLE),
        Spacer(1, 8),
    ]


def _sections(sections: tuple[lease.Section, ...]) -> list[Flowable]:
    flowables: list[Flowable] = []
    for heading, clauses in sections:
        flowables.append(Paragraph(heading, HEADING))
        flowables.extend(Paragraph(clause, BODY) for clause in clauses)
    return flowables


def _schedule() -> list[Flowable]:
    table = Table([list(row) for row in lease.SCHEDULE], colWidths=[76 * mm, 44 * mm, 42 * mm], rowHeights=26)
    table.setStyle(
        TableStyle(
            [
                ("FONT", (0, 0), (-1, 0), "Helvetica-Bold", 10),
                ("FONT", (0, 1), (-1, -2), "Times-Roman", 12),
                ("FONT", (0, -1), (-1, -1), "Times-Bold", 12),
                ("TEXTCOLOR", (0, 0), (-1, 0), ACCENT),
                ("TEXTCOLOR", (0, 1), (-1, -1), INK),
                ("ALIGN", (2, 0), (2, -1), "RIGHT"),
                ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
                ("LINEBELOW", (0, 0), (-1, 0), 1, ACCENT),
                ("LINEBELOW", (0, 1), (-1, -2), 0.4, HexColor("#d4dae1")),
                ("LINEABOVE", (0, -1), (-1, -1), 1, INK),
            ]
        )
    )
    notes = [Paragraph(note, BODY) for note in lease.SCHEDULE_NOTES]
    heading = [Paragraph(lease.SCHEDULE_TITLE, HEADING), Paragraph(lease.SCHEDULE_LEAD, BODY)]
    return [*heading, Spacer(1, 6), table, Spacer(1, 16), *notes]


def _draw_page(canvas: Canvas, flowables: list[Flowable], *, number: int, total: int) -> None:
    y, width = TOP, A4[0] - 2 * MARGIN
    for flowable in flowables:
        y -= flowable.getSpaceBefore()
        _, height = flowable.wrap(width, y)
        if y - height < 22 * mm:
            raise ValueError(f"page {number} of the sample is too full")
        y -= height
        flowable.drawOn(canvas, MARGIN, y)
        y -= flowable.getSpaceAfter()
    canvas.setFont("Helvetica", 8)
    canvas.setFillColor(GREY)
    canvas.drawString(MARGIN, 14 * mm, lease.REFERENCE)
    canvas.drawRightString(A4[0] - MARGIN, 14 * mm, f"Page {number} of {total}")
    canvas.showPage()


def _draw_scan(canvas: Canvas) -> None:
    picture = io.BytesIO()
    _scan().save(picture, "JPEG", quality=45, dpi=(150, 150))
    picture.seek(0)
    canvas.drawImage(ImageReader(picture), 0, 0, *A4)
    canvas.showPage()


def _scan() -> Image.Image:
    """A typed sheet with signatures, laid a little askew on the glass."""
    sheet = Image.new("L", SCAN_SIZE, 250)
    draw = ImageDraw.Draw(sheet)
    draw.text((130, 150), lease.SCAN_TITLE, font=ImageFont.truetype(FONTS / "VeraBd.ttf", 38), fill=25)
    draw.line((130, 208, 1110, 208), fill=60, width=2)
    text, bold = (ImageFont.truetype(FONTS / name, 25) for name in ("Vera.ttf", "VeraBd.ttf"))
    y = 250
    for line in lease.SCAN_LINES:
        draw.text((130, y), line, font=bold if line[:1].isdigit() else text, fill=35)
        y += 43 if line else 20
    chance = random.Random(SEED)
    for x in (150, 660):
        _sign(draw, chance, x=x, y=y + 110)
    tilted = sheet.rotate(SCAN_TILT_DEGREES, resample=Image.Resampling.BICUBIC, fillcolor=236)
    return _with_noise(tilted.filter(ImageFilter.GaussianBlur(0.6)), chance)


def _sign(draw: ImageDraw.ImageDraw, chance: random.Random, *, x: int, y: int) -> None:
    """A scrawl above a line: loops that run to the right, as from a hurried pen."""
    height, speed = chance.uniform(34, 46), chance.uniform(0.34, 0.46)
    points = []
    for step in range(160):
        turn = step * speed
        sway = height * math.sin(turn) * (1 - step / 240)
        points.append((x + step * 1.7 + 26 * math.cos(turn), y - 30 - sway + 14 * math.sin(turn / 5)))
    draw.line(points, fill=95, width=4, joint="curve")
    draw.line((x - 30, y + 30, x + 350, y + 30), fill=90, width=2)


def _with_noise(image: Image.Image, chance: random.Random) -> Image.Image:
    # One small tile, repeated: true noise over the whole sheet would cost a megabyte.
    side = 64
    tile = Image.frombytes("L", (side, side), bytes(chance.randrange(SCAN_NOISE) for _ in range(side * side)))
    noise = Image.new("L", image.size)
    for left in range(0, image.width, side):
        for top in range(0, image.height, side):
            noise.paste(tile, (left, top))
    return Image.composite(Image.new("L", image.size, 0), image, noise)
